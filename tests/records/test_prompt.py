from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion import Prompt
from apportion.errors import FileError, GraphError
from apportion.records.prompt import PLACEHOLDERS

LITERAL = [
    "no braces",
    '{"answer": 1, "of": {"a": []}}',
    "{{question}}",
    "{{ question }}",
    "{ question }",
    "{question:>10}",
    "{question!r}",
    "{question.__class__}",
    "{0}",
    "{}",
    "{node:}",
    "{node:a b}",
    "{que\nstion}",
    '```json\n{"x": {"y": 2}}\n```',
    "100 % of {1, 2}",
]


@pytest.mark.parametrize("text", LITERAL)
def test_what_is_no_bare_name_in_braces_is_text(text: str) -> None:
    prompt = Prompt(text)
    assert prompt.placeholders == frozenset()
    assert prompt.filled(str.upper) == text


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{question}", "<question>"),
        ("{{{question}}}", "{{<question>}}"),
        ('{"q": {question}}', '{"q": <question>}'),
        ("{node:a-b}{left}{left}", "<node:a-b><left><left>"),
        ("{{question} {question}", "{{question} <question>"),
    ],
)
def test_names_in_braces_are_filled(text: str, filled: str) -> None:
    assert Prompt(text).filled(lambda name: f"<{name}>") == filled


@given(st.text(max_size=40), st.sampled_from(LITERAL), st.sampled_from(PLACEHOLDERS))
def test_what_is_filled_in_is_never_read_again(value: str, around: str, name: str) -> None:
    for inserted in (value, f"{{{name}}}", "{node:x}", "\\1\\g<0>", "{", "}"):
        assert Prompt(f"{around}\n{{{name}}}\n{around}").filled({name: inserted}.__getitem__) == (
            f"{around}\n{inserted}\n{around}"
        )


def test_an_unknown_placeholder_is_named_with_the_nearest_and_the_remedy() -> None:
    with pytest.raises(GraphError, match=r"'careful'.*placeholder 'questoin'.*'question'.*'\{ questoin \}'"):
        Prompt("Answer {questoin}", name="careful")


@pytest.mark.parametrize("examples", [(("What?", ""),), (("What?",),), ("What?",), "What?", ((" ", "4"),), ((1, 2),)])
def test_an_example_without_an_answer_is_named(examples: object) -> None:
    with pytest.raises(GraphError, match="'p': example"):
        Prompt("Think.", name="p", examples=examples)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", " \n", None, 3])
def test_a_prompt_needs_text(text: object) -> None:
    with pytest.raises(GraphError, match="prompt: "):
        Prompt(text)  # type: ignore[arg-type]


def test_a_file_gives_text_and_name(tmp_path: Path) -> None:
    path = tmp_path / "careful.md"
    path.write_text("﻿Be careful: {question}\n", encoding="utf-8")
    prompt = Prompt.file(path)
    assert (prompt.text, prompt.name) == ("Be careful: {question}\n", "careful")
    assert Prompt.file(str(path), name="other").label == "other"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.md"):
        Prompt.file(tmp_path / "none.md")


def test_prompts_without_a_name_are_told_apart() -> None:
    one, other = Prompt("Think about it step by step. A."), Prompt("Think about it step by step. B.")
    assert one.label.startswith("Think about it step by s...")
    assert one.label != other.label
    assert Prompt("A", prefix="x").label != Prompt("A").label
