"""Each output is read back from the ways in which models write it; see `prompts/reply_formats.toml`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.models.card import ModelCard
from apportion.nodes.outputs import (
    candidate_of,
    data_of,
    form_of,
    formed,
    held_problem,
    led_by_fields,
    passed_on,
    problem_with,
    read_step,
    reader_of,
    spoken_by,
)
from apportion.nodes.prompts import dialect_named
from apportion.nodes.prompts.base import SearchStep, Style
from apportion.nodes.readings import Reading, Unfit
from apportion.records.message import Candidate
from apportion.records.output import JsonOutput, OneOf, Output, canonical_json

CHAT, POCKET = dialect_named("chat"), dialect_named("pocket")
FORMATS = tomllib.loads((Path(__file__).parent / "prompts" / "reply_formats.toml").read_text())["format"]
SCHEMA = JsonOutput(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "size": {"type": "object", "properties": {"w": {"type": "number"}}, "required": ["w"]},
        },
        "required": ["name", "size"],
        "additionalProperties": False,
    }
)
VALUE = {"name": 'a "b" {c}', "tags": ["x", "```", "Answer: 3"], "size": {"w": 2.5}}
CODE = "def f(x):\n    '''Answer: 3'''\n    if x:\n\n        return {'a': x}\n    return \"b\""
SQL = "SELECT name\nFROM person\nWHERE age > 3\n  AND name LIKE 'a%'"
OPTIONS = OneOf("positive", "very positive", "negative", "can't say")


def read(output: Output, text: str, style: str = "think", *, cut: bool = False) -> str | None:
    return reader_of(output, CHAT, Style(style))(text, cut=cut)


def lined(output: Output, answers: tuple[str, ...], form: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for answer in answers:
        latex = answer if answer.isascii() and answer[-1].isdigit() else rf"\text{{{answer}}}"
        text = form["text"]
        for name, value in (("{answer}", answer), ("{latex}", latex), ("{json}", json.dumps(answer))):
            text = text.replace(name, value)
        yield answer, read(output, text, form.get("style", "think"))


@pytest.mark.parametrize("form", FORMATS, ids=[form["name"] for form in FORMATS])
def test_numbers_and_options_are_read_back_in_each_format(form: Mapping[str, str]) -> None:
    for answer, got in lined("number", ("42", "-7", "3.14"), form):
        assert got == answer
    for answer, got in lined(OPTIONS, ("positive", "very positive", "negative"), form):
        assert got == answer


def blocked(said: str, language: str, form: Mapping[str, str]) -> str:
    text = form["block"].replace("{answer}", said).replace("{code}", f"```{language}\n{said}\n```")
    return text.replace("{json}", json.dumps(said)).replace("{latex}", said).replace("{lines}", said)


BLOCKS = [form for form in FORMATS if "{code}" in form.get("block", "")]


@pytest.mark.parametrize("form", BLOCKS, ids=[form["name"] for form in BLOCKS])
def test_code_and_json_are_read_back_in_each_format_with_a_block(form: Mapping[str, str]) -> None:
    style = form.get("style", "think")
    assert read("code", blocked(CODE, "python", form), style) == CODE
    assert read("code", blocked(SQL, "sql", form), style) == SQL
    assert read("code", blocked(SQL, "", form), style) == SQL
    for text in (canonical_json(VALUE), json.dumps(VALUE, indent=2)):
        assert read(SCHEMA, blocked(text, "json", form), style) == canonical_json(VALUE)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
VALUES = st.fixed_dictionaries(
    {"name": WORDS, "size": st.fixed_dictionaries({"w": st.integers(-(10**6), 10**6) | st.just(0.25)})},
    optional={"tags": st.lists(WORDS, max_size=3)},
)
AROUND = st.sampled_from(
    [
        "{}",
        "Here is the JSON you asked for:\n\n{}\n\nLet me know if you need more.",
        "First, think: {{1, 2}} is a set.\n```json\n{}\n```",
        '<think>Perhaps {{"name": 3}}.</think>\n{}',
        'I start with {{"name": "x"}}, which lacks the size.\n\n**Answer:**\n```\n{}\n```\nDone.',
        '{{"steps": "one {{two}}", "answer": {}}}',
        '{{"answer": {}}}',
    ]
)


@settings(max_examples=300)
@given(VALUES, AROUND, st.sampled_from([None, 2]), st.sampled_from(["direct", "think"]))
def test_json_is_read_back_whatever_stands_around_it(value: Any, around: str, indent: int | None, style: str) -> None:
    reply = around.format(json.dumps(value, indent=indent, ensure_ascii=False))
    answer = read(SCHEMA, reply, style)
    assert answer == canonical_json(value)
    assert data_of(SCHEMA, answer) == value


LINES = st.lists(
    st.text(st.sampled_from("abc xyz{}[]()'\"=:#.,0123456789\\%<>"), min_size=1).map(lambda line: f"  {line}|"),
    min_size=1,
    max_size=8,
).map("\n".join)


@settings(max_examples=200)
@given(LINES, st.sampled_from(["python", "sql", "", "c++"]), st.sampled_from(["direct", "think"]))
def test_code_is_read_back_sign_by_sign(code: str, language: str, style: str) -> None:
    block = f"```{language}\n{code}\n```"
    for reply in (block, f"We need a loop.\n\n{block}\n\nIt runs in linear time.", f"Answer:\n{block}"):
        assert read("code", reply, style) == code


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_a_text_is_the_whole_reply(text: str) -> None:
    if "<" not in text and "[" not in text and "◁" not in text:
        assert read("text", text, "direct") == text.strip()


def test_a_text_stands_below_the_steps() -> None:
    text = "Dear all,\n\nAnswer: that is the question.\nYours"
    assert read("text", f"Step 1: greet.\nAnswer:\n{text}") == text
    assert read("text", f"**Answer:** {text}") == text
    assert read("text", "No steps at all.") == "No steps at all."
    assert read("text", "cut off in the mid", cut=True) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: 1,234.50 dollars", "1234.5"),
        ("Answer: 45%", "45%"),
        ("Answer: x = 6", "6"),
        ("Answer: 3/4", "0.75"),
        ("Answer: one thousand", "1000"),
    ],
)
def test_a_number_is_in_figures_without_its_unit(text: str, answer: str) -> None:
    assert read("number", text) == answer


@pytest.mark.parametrize(
    ("output", "text", "problem"),
    [
        ("number", "Answer: many", "there is no number in 'many'"),
        (OPTIONS, "neutral", "'neutral' is not one of 'positive', 'very positive'"),
        (OPTIONS, "Answer: not positive", "is not one of"),
        (OPTIONS, "Answer: positive or negative", "is not one of"),
        (OneOf("yes", "no"), "Answer: There is no way to tell.", "is not one of"),
        (OneOf("A", "B"), "Sorry, I need a diagram to answer.", "is not one of"),
        (SCHEMA, "I cannot.", "there is no whole JSON in it"),
        (SCHEMA, '{"name": "a", "size": {"w": 1}', "there is no whole JSON in it"),
        (SCHEMA, '{"name": 3, "size": {"w": 1}}', "$.name: 3 is not of type 'string'"),
        (SCHEMA, '{"name": "a"}', "$: 'size' is a required property"),
        (SCHEMA, '{"name": "a", "size": {"w": NaN}}', "it is no JSON"),
        (SCHEMA, '[{"name": "a"}]', "'size' is a required property"),
    ],
)
def test_a_reply_that_is_something_else_says_what_is_wrong(output: Output, text: str, problem: str) -> None:
    with pytest.raises(Unfit, match=re.escape(problem)):
        read(output, text)


def test_code_without_a_block_is_read_only_where_code_alone_was_asked_for() -> None:
    assert read("code", "SELECT 1", "direct") == "SELECT 1"
    with pytest.raises(Unfit, match="no code block"):
        read("code", "First we select. Then we stop.")


def test_of_several_blocks_the_last_program_counts() -> None:
    reply = f"```python\ndraft\n```\nBetter:\n```python\n{CODE}\n```\nIt prints:\n```text\n3\n```"
    assert read("code", reply) == CODE


@pytest.mark.parametrize("output", ["code", SCHEMA, OPTIONS, "number", "text"])
def test_what_was_cut_off_is_no_answer(output: Output) -> None:
    for text in ("```python\ndef f(x):\n    return", '{"name": "a", "size": {"w": 1}, ', "Let me see, 3 is"):
        try:
            assert read(output, text, "direct", cut=True) is None
        except Unfit as unfit:
            assert str(unfit)  # noqa: PT017 - either is no answer, and which one depends on the output


def test_a_part_of_json_that_is_not_whole_is_no_answer() -> None:
    tree = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    for text in (
        '{"n": 1, "children": [{"n": 2}',
        '{"n": 1, "first": {"n": 2},',
        'So:\n```json\n{\n  "a": [{"n": 2}, {"n": 3}',
    ):
        with pytest.raises(Unfit, match="no whole JSON"):
            read(tree, text)
        assert read(tree, f'{{"n": 5}} and now\n{text}', cut=True) is None
    assert read(tree, 'Take {n} from [1, 2].\n{"n": 2}') == '{"n":2}'
    assert read(tree, '{"n": 2}\nThis is {"n"', cut=True) is None


def test_options_are_told_apart() -> None:
    assert read(OPTIONS, "I would say it is very positive") == "very positive"
    assert read(OPTIONS, "Answer: Can't say.") == "can't say"
    letters = OneOf("A", "B")
    assert read(letters, "Answer: (B)") == "B"
    assert read(letters, "B.", "direct") == "B"
    assert read(OneOf("spam", "not spam"), "Answer: It is Not spam") == "not spam"


def test_lists_are_json_too() -> None:
    output = JsonOutput({"type": "array", "items": {"type": "integer"}})
    assert read(output, "They are [1, 2, 3].") == "[1,2,3]"
    assert read(output, '{"steps": "one, two", "answer": [1, 2]}') == "[1,2]"
    either = JsonOutput({"anyOf": [{"type": "array"}, {"type": "object"}]})
    assert read(either, "```json\n[1]\n```") == "[1]"


def test_a_schema_that_refers_to_itself_or_a_slow_pattern_ends() -> None:
    loop = JsonOutput({"$ref": "#", "type": "object"})
    assert "refers to itself" in problem_with(loop, {})
    slow = JsonOutput({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a|aa)+$"}}})
    assert "takes too long" in problem_with(slow, {"a": "a" * 100 + "b"})
    assert "does not match" in problem_with(slow, {"a": "d"})
    assert problem_with(slow, {"a": "aaa"}) == ""


def test_a_validator_reads_no_file_and_asks_no_network(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"const": "secret"}')
    output = JsonOutput({"type": "object", "properties": {"a": {}}})
    reads = {"properties": {"a": {"$ref": (tmp_path / "secret.json").as_uri()}}}
    # No schema that is let in says so; the validator must not rely on that.
    object.__setattr__(output, "schema", canonical_json(reads))
    assert "the schema refers to what is not in it" in problem_with(output, {"a": 1})


def test_forms_tell_what_is_the_same() -> None:
    assert form_of("line", "1,000.0") == form_of("line", "1000")
    assert form_of("code", "a = 1  \nb") == form_of("code", "\na = 1\nb\n") != form_of("code", "A = 1\nb")
    assert form_of("text", "A") != form_of("text", "a")
    assert form_of(OneOf("A", "B"), "(A)") == form_of(OneOf("A", "B"), "a")
    found = candidate_of(SCHEMA, canonical_json(VALUE), Reading(canonical_json(VALUE), text="text"), "solve")
    assert (found.form, found.data, found.text, found.source) == (found.answer, VALUE, "text", "solve")
    assert formed("line", Candidate("a")).form == ""


def test_an_answer_of_another_node_is_passed_on_if_it_fits() -> None:
    given_ = Candidate(json.dumps(VALUE), 0.5, checked=True)
    passed = passed_on(SCHEMA, given_, "merge")
    assert passed is not None
    assert (passed.answer, passed.data, passed.checked, passed.source) == (canonical_json(VALUE), VALUE, True, "merge")
    assert passed_on(SCHEMA, Candidate("3"), "merge") is None
    assert passed_on("number", Candidate("many"), "merge") is None
    kept = passed_on("line", Candidate("many"), "merge")
    assert kept is not None
    assert kept.answer == "many"


def test_fields_that_break_the_schema_together_are_not_taken() -> None:
    output = JsonOutput({"enum": [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 2}]}, vote="fields")
    votes = [
        formed(output, Candidate(canonical_json(value), text="t", source="s")) for value in ({"a": 1, "b": 2},) * 2
    ]
    assert led_by_fields(output, tuple(votes[:1]), votes)[0].answer == '{"a":1,"b":2}'
    strict = JsonOutput({"enum": [{"a": 1, "b": 1, "c": 0}, {"a": 2, "b": 2, "c": 0}, {"a": 1, "b": 2, "c": 1}]})
    mixed = [
        formed(strict, Candidate(canonical_json(value), text="t", source="s"))
        for value in ({"a": 1, "b": 1, "c": 0}, {"a": 2, "b": 2, "c": 0}, {"a": 1, "b": 2, "c": 1})
    ]
    assert led_by_fields(strict, tuple(mixed), mixed) == tuple(mixed)


def test_a_searcher_asks_or_answers() -> None:
    assert read_step("Query: kemo room", output="code", dialect=CHAT) == SearchStep(query="kemo room")
    assert read_step("Answer:\n```sql\nSELECT 1\n```", output="code", dialect=CHAT) == SearchStep(answer="SELECT 1")
    answer = read_step(f"Answer: {json.dumps(VALUE)}", output=SCHEMA, dialect=CHAT)
    assert answer == SearchStep(answer=canonical_json(VALUE))
    assert read_step("Answer: two\nlines", output="text", dialect=CHAT) == SearchStep(answer="two\nlines")
    assert read_step("=47", output="number", dialect=POCKET) == SearchStep(answer="47")
    assert read_step(">kemo", output="number", dialect=POCKET) == SearchStep(query="kemo")
    with pytest.raises(Unfit):
        read_step("=kemo", output="number", dialect=POCKET)


def test_dialects_without_words_speak_of_lines_and_numbers_and_are_held_to_small_schemas() -> None:
    outputs: tuple[Output, ...] = ("line", "number", "text", "code", SCHEMA, OPTIONS)
    free, held = ModelCard(name="m"), ModelCard(name="m", json_schema=True)
    large = JsonOutput({"type": "object", "properties": {"when": {"type": "string", "format": "date"}}})
    assert [spoken_by(free, POCKET, output) for output in outputs] == [1, 1, 0, 0, 0, 0]
    assert [spoken_by(held, POCKET, output) for output in (*outputs, large)] == [1, 1, 0, 0, 1, 0, 0]
    assert all(spoken_by(free, CHAT, output) for output in (*outputs, large))
    assert held_problem(large).startswith("$.properties.when of the schema: its 'format' cannot be held to")
