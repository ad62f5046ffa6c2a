from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from apportion.errors import ProblemError
from apportion.nodes.symbolic.schema import (
    MOST_BYTES,
    MOST_CONSTRAINTS,
    MOST_VARIABLES,
    Objective,
    Problem,
    Shown,
    parse_problem,
)
from apportion.nodes.symbolic.variables import IntVariable, Term

A: dict[str, Any] = {"type": "int", "name": "a", "low": 0, "high": 5}
PET: dict[str, Any] = {"type": "enum", "name": "pet", "values": ["cat", "big dog"]}
Q: dict[str, Any] = {"type": "bool", "name": "q"}


def linear(**changes: Any) -> dict[str, Any]:
    return {"kind": "linear", "terms": [{"variable": "a"}], "relation": "<=", "constant": 3} | changes


def complaint(*constraints: dict[str, Any], **more: Any) -> str:
    problem = {"variables": [A, PET, Q], "constraints": list(constraints)} | more
    with pytest.raises(ProblemError) as caught:
        parse_problem(json.dumps(problem))
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_problem_survives_the_way_through_json() -> None:
    text = json.dumps({"variables": [A, PET, Q], "constraints": [linear()], "answer": {"variables": ["a"]}})
    problem = parse_problem(text)
    assert parse_problem(problem.to_json()) == problem
    assert problem.shown == ("a",)


def test_all_variables_are_shown_unless_said_otherwise() -> None:
    assert parse_problem(json.dumps({"variables": [Q, A]})).shown == ("q", "a")


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (linear(constant="3"), "constraints[1] (linear).constant: input should be a valid integer"),
        (linear(constant=2.5), "constraints[1] (linear).constant: input should be a valid integer"),
        (linear(constant=True), "constraints[1] (linear).constant: input should be a valid integer"),
        (linear(relation="~"), "constraints[1] (linear).relation: input should be '==', '!=', '<', '<=', '>' or '>='"),
        (linear(weight=1), "constraints[1] (linear).weight: there is no such field; remove it"),
        ({"kind": "linear"}, "constraints[1] (linear).terms: this field is missing"),
        ({"kind": "lin"}, "constraints[1].kind: 'lin' is not known; use one of all_different, linear"),
        ({"terms": []}, "constraints[1].kind: this field is missing"),
        (
            {"kind": "implication", "when": [{"kind": "table"}], "then": []},
            "constraints[1] (implication).when[0].kind: 'table' is not known; use one of linear, compare",
        ),
        (
            {"kind": "table", "variables": ["a", "pet"], "rows": [[1, "cat"], [1, 2.5]]},
            "constraints[1] (table).rows[1][1]: must be a whole number up to 2^31, true or false, or a label",
        ),
        (
            linear(terms=[{"variable": "a", "coefficient": 2**31 + 1}]),
            "constraints[1] (linear).terms[0].coefficient: input should be less than or equal to 2147483648",
        ),
        (linear(terms=[{"variable": "aa"}]), "constraints[1] (linear).terms: no variable 'aa'; did you mean 'a'?"),
    ],
)
def test_a_complaint_names_the_constraint_the_field_and_the_remedy(constraint: dict[str, Any], words: str) -> None:
    assert complaint(linear(), constraint).startswith(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "the problem: input should be an object"),
        ("{", "not valid JSON: EOF while parsing"),
        ("[" * 100_000, "not valid JSON: recursion limit exceeded"),
        ("a = 3", "not valid JSON: expected"),
        ("{}", "variables: this field is missing"),
        ('{"variables": []}', "variables: "),
        (
            '{"variables": [{"type": "int", "name": "a b", "low": 0, "high": 1}]}',
            "variables[0] (int).name: use letters",
        ),
        ('{"variables": [{"type": "real", "name": "a"}]}', "variables[0].type: 'real' is not known; use one of int"),
    ],
)
def test_text_that_is_no_problem(text: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_problem(text)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"variables": [A, A]}, "variables[1].name: 'a' is declared twice"),
        ({"variables": [A | {"low": 9}]}, "variables[0].low: 'a' has low 9 above high 5"),
        ({"variables": [PET | {"values": ["x", "x"]}]}, "variables[0].values: 'pet' has a label twice"),
        ({"answer": {"variables": ["b"]}}, "answer.variables: no variable 'b'"),
        ({"answer": {"variables": ["a", "a"]}}, "answer.variables: a variable is listed twice"),
        ({"answer": {"form": "objective"}}, "answer.form: 'objective' needs an objective"),
        (
            {"objective": {"sense": "minimize", "terms": [{"variable": "pet"}]}},
            "objective.terms: 'pet' is an enum; a number",
        ),
        ({"goal": "x"}, "goal: there is no such field; remove it"),
    ],
)
def test_complaints_outside_the_constraints(more: dict[str, Any], words: str) -> None:
    assert complaint(**more).startswith(words)


def test_limits_of_size() -> None:
    many = [{"type": "bool", "name": f"v{i}"} for i in range(MOST_VARIABLES + 1)]
    assert complaint(variables=many).startswith("variables: ")
    Problem.model_validate_json(json.dumps({"variables": many[1:]}))
    short = [{"type": "bool", "name": "q"}]
    choice = {"kind": "compare", "variable": "q", "value": True}
    text = json.dumps({"variables": short, "constraints": [choice] * (MOST_CONSTRAINTS + 1)})
    with pytest.raises(ValidationError):
        Problem.model_validate_json(text)
    with pytest.raises(ProblemError, match="at most 262,144 bytes are read"):
        parse_problem(" " * (MOST_BYTES + 1))


LABELS = [f"v{number}" for number in range(1000)]
FILLED: dict[str, tuple[dict[str, Any], Any]] = {
    "names of one enum": ({"kind": "all_different", "variables": [...]}, "pet"),
    "an element of names": ({"kind": "element", "index": "a", "array": [...], "target": "pet"}, "pet"),
    "counted labels": ({"kind": "count", "variables": [...], "value": "v999", "relation": "<", "constant": 9}, "pet"),
    "rows of labels": ({"kind": "table", "variables": ["pet"], "rows": [...]}, ["v999"]),
    "terms that are none": ({"kind": "linear", "terms": [...], "relation": "<", "constant": 9}, 1),
    "values that are none": ({"kind": "table", "variables": ["pet"], "rows": [...]}, [None]),
    "activities": (
        {"kind": "cumulative", "activities": [...], "capacity": 9},
        {"start": "a", "duration": 1, "demand": 1},
    ),
}
"""A constraint and what its list is filled with."""


@pytest.mark.parametrize("kind", FILLED)
def test_no_text_takes_more_work_than_its_length(kind: str) -> None:
    """In processor time, which other processes do not lengthen: work quadratic in the length takes 5 to 20 s."""
    constraint, item = FILLED[kind]
    variables = [{"type": "enum", "name": "pet", "values": LABELS}, {"type": "int", "name": "a", "low": 0, "high": 9}]
    count = (MOST_BYTES - 20_000) // len(json.dumps(item, separators=(",", ":")) + ",")
    filled = {key: [item] * count if value == [...] else value for key, value in constraint.items()}
    text = json.dumps({"variables": variables, "constraints": [filled]}, separators=(",", ":"))
    assert MOST_BYTES - 30_000 < len(text) <= MOST_BYTES
    began = time.process_time()
    for _ in range(3):
        with contextlib.suppress(ProblemError):
            parse_problem(text)
    assert time.process_time() - began < 3


def test_a_name_is_not_compared_with_thousands() -> None:
    many = [{"type": "bool", "name": "n" * 58 + f"{number:04}"} for number in range(MOST_VARIABLES)]
    text = json.dumps({"variables": many, "constraints": [{"kind": "compare", "variable": "n" * 61, "value": True}]})
    began = time.process_time()
    with pytest.raises(ProblemError, match="did you mean"):
        parse_problem(text)
    assert time.process_time() - began < 1


def test_a_sum_that_could_pass_64_bits_is_refused() -> None:
    big = {"type": "int", "name": "big", "low": 0, "high": 2**31}
    wide = linear(terms=[{"variable": "big", "coefficient": 2**31}])
    assert "the sum can pass 2^60" in complaint(wide, variables=[big])


def test_a_problem_built_in_code_is_checked_too_and_stays_as_it_is() -> None:
    variable = IntVariable(name="a", low=0, high=3)
    with pytest.raises(ValidationError, match="no variable 'b'"):
        Problem(variables=(variable,), objective=Objective(sense="maximize", terms=(Term(variable="b"),)))
    problem = Problem(variables=(variable,), answer=Shown(form="values"))
    with pytest.raises(ValidationError, match="frozen"):
        problem.constraints = ()
