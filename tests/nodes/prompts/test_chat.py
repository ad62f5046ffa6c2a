from __future__ import annotations

import json

import pytest

from apportion.errors import UnknownName
from apportion.nodes.prompts import dialect_named
from apportion.nodes.prompts.base import Ask, Dialect, Messages, ReasoningStep, SearchRound, Style
from apportion.nodes.prompts.chat import ChatDialect
from apportion.nodes.prompts.problem_schema import PROBLEM_SCHEMA
from apportion.nodes.symbolic.schema import parse_problem
from apportion.records.message import Part

CHAT: Dialect = ChatDialect()
ASK = Ask("What is 40+2?", "Add.", ("Forty is 40.",), ("41",))


def text_of(prompt: Messages) -> str:
    return "\n".join(message.content for message in prompt.messages)


def test_dialects_by_name() -> None:
    assert isinstance(dialect_named("chat"), ChatDialect)
    assert dialect_named("pocket").solve(Ask("1+1="), Style.DIRECT).messages
    with pytest.raises(UnknownName, match="did you mean 'chat'"):
        dialect_named("chart")


@pytest.mark.parametrize(
    "prompt",
    [
        CHAT.solve(ASK, Style.THINK),
        CHAT.decompose(ASK, 3),
        CHAT.merge(ASK, [(Part("p1", "q?"), "7")], "{p1}"),
        CHAT.search(ASK, [SearchRound("forty", ("a",))], last=True),
        CHAT.formalise(ASK, "bad"),
        CHAT.verify(ASK, "42", "40+2 = 42"),
    ],
)
def test_every_prompt_holds_each_text_of_the_ask_once(prompt: Messages) -> None:
    body = prompt.messages[1].content
    for text in ("What is 40+2?", "Add.", "Forty is 40.", "- 41"):
        assert body.count(text) == 1


def test_a_text_of_the_ask_is_never_a_format_string() -> None:
    odd = Ask("{most} {0} {p1} %s", "{x}", ("{y}",), ("{z}",))
    for prompt in (CHAT.decompose(odd, 3), CHAT.formalise(odd, "{w}"), CHAT.solve(odd, Style.DRAFT)):
        assert "{most} {0} {p1} %s" in text_of(prompt)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("40+2 = 42\nAnswer: 42", "42"),
        ("**Answer:** 42.", "42"),
        ("**Answer: 42**", "42"),
        ("Final answer: `x = 3`", "x = 3"),
        ("Answer:\n\n42\n", "42"),
        ("ANSWER： 42", "42"),
        ("Answer: 1\nWait.\nAnswer: 2", "2"),
        ("so\n#### 1,234", "1,234"),
        (r"Thus \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"Answer: $\boxed{7}$", "7"),
        ("Hence the answer is Paris.", "Paris"),
        ("- Answer: <42>", "42"),
        ('Answer: "New York"', "New York"),
        ("Answer: a=1 b=3", "a=1 b=3"),
        ("Answer: no answer...", "no answer..."),
    ],
)
def test_answers_are_found_however_models_write_them(text: str, answer: str) -> None:
    assert CHAT.read_answer(text, Style.THINK) == answer
    assert CHAT.read_answer(text, Style.DIRECT) == answer


def test_without_a_mark_only_a_direct_reply_is_an_answer() -> None:
    assert CHAT.read_answer("42", Style.DIRECT) == "42"
    assert CHAT.read_answer("line one\nline two", Style.DIRECT) == "line one\nline two"
    assert CHAT.read_answer("40+2 = 42", Style.THINK) is None
    assert CHAT.read_answer("Answer:", Style.DRAFT) is None


def test_decompositions() -> None:
    text = 'Sure:\n```json\n{"parts": ["Who?", {"question": "When was {p1} or #1 born?"}], "combine": "{ P2 } it"}\n```'
    found = CHAT.read_decomposition(text)
    assert found is not None
    assert found.parts == (Part("p1", "Who?"), Part("p2", "When was {p1} or {p1} born?", ("p1",)))
    assert found.combine == "{p2} it"
    alone = CHAT.read_decomposition('{"parts": ["Who?"]}')
    assert alone is not None
    assert alone.combine == "{p1}"


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        '{"parts": []}',
        '{"parts": "a"}',
        '{"parts": ["a", "b"]}',
        '{"parts": ["about {p1}"], "combine": "{p1}"}',
        '{"parts": ["a", "about {p3}", "c"], "combine": "{p1}"}',
        '{"parts": ["a"], "combine": "{p2}"}',
        '{"parts": ["a", 3], "combine": "{p1}"}',
        '{"parts": ["a"], "combine": ""}',
        '{"parts": ["a", ' + "[" * 5000,
        '{"n": ' + "9" * 5000 + ', "parts": ["a"]}',
    ],
)
def test_unusable_decompositions_are_none(text: str) -> None:
    assert CHAT.read_decomposition(text) is None


@pytest.mark.parametrize(
    ("text", "query", "answer"),
    [
        ("Query: capital of France", "capital of France", ""),
        ("I should look.\n**Query:** capital\nAnswer: Paris", "capital", ""),
        ("Answer: Paris.", "", "Paris"),
        ("Search: <x>", "x", ""),
    ],
)
def test_search_steps(text: str, query: str, answer: str) -> None:
    step = CHAT.read_search(text)
    assert step is not None
    assert (step.query, step.answer) == (query, answer)


def test_a_search_step_that_says_neither_is_none() -> None:
    assert CHAT.read_search("Let me think about it.") is None
    assert CHAT.read_search("Query:") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fine\nProbability: 85", 0.85),
        ("Probability: 0.85", 0.85),
        ("Probability: 85 %", 0.85),
        ("**Confidence**: 8/10", 0.8),
        ("Probability: 85 out of 100", 0.85),
        ("Probability: 100", 1.0),
        ("Probability: 0", 0.0),
        ("Verdict: incorrect", 0.0),
        ("Verdict: correct", 1.0),
        ("It is not correct", 0.0),
        ("Yes.", 1.0),
        ("90", 0.9),
        ("Probability: 20\nOn reflection:\nProbability: 70", 0.7),
        ("Probability: 700", None),
        ("Probability: 3/0", None),
        ("who knows", None),
        ("", None),
    ],
)
def test_verdicts(text: str, value: float | None) -> None:
    assert CHAT.read_verdict(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("reasoning", "steps"),
    [
        ("First, 47 + 83 = 130.", [("47 + 83", "130")]),
        ("47+83=130*2=260", [("47+83", "130"), ("130*2", "260")]),
        ("1. (2+3)*4 = 20, so 20/5 = 4", [("(2+3)*4", "20"), ("20/5", "4")]),
        ("x = 5 and y = 7", []),
        ("nothing here", []),
    ],
)
def test_steps(reasoning: str, steps: list[tuple[str, str]]) -> None:
    assert CHAT.steps(reasoning) == tuple(ReasoningStep(f"{question} = ?", claimed) for question, claimed in steps)


def test_formalisations_are_the_object_with_variables() -> None:
    problem = {"variables": [{"type": "int", "name": "a", "low": 1, "high": 3}], "constraints": []}
    text = f'{{"note": 1}} then {json.dumps(problem)} and {{"variables": []}}'
    read = CHAT.read_formalisation(text, ASK)
    assert read is not None
    assert json.loads(read) == problem
    assert CHAT.read_formalisation("[]", ASK) is None


def test_the_problem_schema_says_what_the_closed_schema_takes() -> None:
    """One example of each constraint that the schema offers is a valid problem, nulls included."""
    schema = json.loads(PROBLEM_SCHEMA)
    terms = [{"variable": "x", "coefficient": 1}]
    compare = {"kind": "compare", "variable": "x", "relation": "!=", "value": 1, "other": None}
    examples: list[dict[str, object]] = [
        {"kind": "linear", "terms": terms, "relation": "<=", "constant": 3},
        compare,
        {"kind": "all_different", "variables": ["x", "y"]},
        {"kind": "implication", "when": [compare], "then": [compare]},
        {"kind": "any_of", "conditions": [compare]},
        {"kind": "count", "variables": ["x"], "value": 1, "relation": "==", "constant": 1},
        {"kind": "abs", "target": "x", "terms": terms},
        {"kind": "min", "target": "x", "variables": ["y"]},
    ]
    offered = schema["properties"]["constraints"]["items"]["anyOf"]
    shapes = [schema["$defs"][o["$ref"].rpartition("/")[2]] if "$ref" in o else o for o in offered]
    assert [sorted(example) for example in examples] == [sorted(shape["required"]) for shape in shapes]
    problem = {
        "variables": [
            {"type": "int", "name": "x", "low": 0, "high": 3},
            {"type": "int", "name": "y", "low": 0, "high": 3},
            {"type": "bool", "name": "b"},
            {"type": "enum", "name": "c", "values": ["red"]},
        ],
        "constraints": examples,
        "objective": None,
        "answer": {"variables": ["x"], "form": "pairs"},
    }
    assert len(parse_problem(json.dumps(problem)).constraints) == len(examples)


@pytest.mark.parametrize("text", ["=" * 20_000, "1+" * 20_000, "answer " * 20_000, "\\boxed{" * 5_000, "{" * 50_000])
def test_no_text_takes_long_to_read(text: str) -> None:
    for line in (text, text.replace(" ", "\n")):
        CHAT.read_answer(line, Style.THINK)
        CHAT.read_decomposition(line)
        CHAT.read_search(line)
        CHAT.read_verdict(line)
        CHAT.steps(line)
