from __future__ import annotations

import json

import pytest

from apportion.nodes.prompts.base import SearchStep
from apportion.nodes.prompts.chat_readers import decomposition_in, search_step_in
from apportion.records.message import Part


def parts_of(*parts: object, combine: str) -> tuple[Part, ...] | None:
    found = decomposition_in(json.dumps({"parts": parts, "combine": combine}))
    return None if found is None else found.parts


def test_a_number_sign_is_a_reference_only_where_there_is_such_a_part() -> None:
    assert parts_of("Who sang the #1 hit of 1985?", "Where was {p1} born?", combine="{p2}") == (
        Part("p1", "Who sang the #1 hit of 1985?"),
        Part("p2", "Where was {p1} born?", ("p1",)),
    )
    assert parts_of("Who?", "How old is #1?", combine="#2") == (
        Part("p1", "Who?"),
        Part("p2", "How old is {p1}?", ("p1",)),
    )
    assert parts_of("Who?", "Was the #1 song by {p1}?", combine="{p2}") == (
        Part("p1", "Who?"),
        Part("p2", "Was the #1 song by {p1}?", ("p1",)),
    )
    assert parts_of("What is the set {5}?", "Its size, {1}?", combine="{2}") == (
        Part("p1", "What is the set {5}?"),
        Part("p2", "Its size, {p1}?", ("p1",)),
    )


def test_a_part_that_is_named_must_exist() -> None:
    assert parts_of("Who?", "How old is {p3}?", combine="{p1}") is None
    assert parts_of("Who is {p1}?", combine="{p1}") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"parts": ["a?", "b?",], "combine": "{p1}+{p2}"}',
        '{"result": {"parts": ["a?", "b?"], "combine": "{p1}+{p2}"}}',
        "{'parts': ['a?', 'b?'], 'combine': '{p1}+{p2}'}",
        '{"parts": {"p1": "a?", "p2": "b?"}, "combine": "{p1}+{p2}"}',
        '{"parts": [{"text": "a?"}, {"question": "b?"}], "combine": "{p1}+{p2}"}',
        '<think>{"parts": ["x"]}</think>```json\n{"parts": ["a?", "b?"], "combine": "{p1}+{p2}"} // done\n```',
    ],
)
def test_decompositions_however_models_write_them(text: str) -> None:
    found = decomposition_in(text)
    assert found is not None
    assert [part.question for part in found.parts] == ["a?", "b?"]
    assert found.combine == "{p1}+{p2}"


@pytest.mark.parametrize(
    "text", ['{"parts": ["a?", "b', "", '{"parts": [[]], "combine": "x"}', '{"parts": ["a"], "combine": 3}']
)
def test_half_a_decomposition_is_none(text: str) -> None:
    assert decomposition_in(text) is None


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("<think>I could do\nQuery: foo\nno</think>\nQuery: bar", SearchStep(query="bar")),
        ("</think>**Query**: `bar`", SearchStep(query="bar")),
        ("Query:\nbar", SearchStep(query="bar")),
        ("Search query: bar", SearchStep(query="bar")),
        ("<query>bar</query>", SearchStep(query="bar")),
        ('{"query": "bar"}', SearchStep(query="bar")),
        ("Query: bar\nPassages: ...\nAnswer: Paris", SearchStep(query="bar")),
        ("Final Answer: Paris.", SearchStep(answer="Paris")),
        ("**Answer:** $\\boxed{6}$", SearchStep(answer="6")),
        ('{"answer": "Paris"}', SearchStep(answer="Paris")),
        ("So the answer is Paris.", SearchStep(answer="Paris")),
        ("<answer>Paris</answer>", SearchStep(answer="Paris")),
        ("<think>Query: foo", None),
    ],
)
def test_search_steps(text: str, step: SearchStep | None) -> None:
    assert search_step_in(text) == step
