from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.nodes.symbolic.answer import parse_answer, print_answer
from apportion.nodes.symbolic.check import in_domain
from apportion.nodes.symbolic.schema import Objective, Problem, Shown
from apportion.nodes.symbolic.variables import BoolVariable, EnumVariable, IntVariable, Term

VARIABLES = (
    IntVariable(name="a", low=-9, high=9),
    EnumVariable(name="pet", values=("big", "big dog", "cat")),
    BoolVariable(name="q"),
)
PROBLEM = Problem(variables=VARIABLES)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1 pet=cat q=true", {"a": 1, "pet": "cat", "q": True}),
        ("a=1, pet=big dog, q=false", {"a": 1, "pet": "big dog", "q": False}),
        ("a: -3; pet: big; q: yes", {"a": -3, "pet": "big", "q": True}),
        ("The answer is A = 4, Pet = BIG DOG.", {"a": 4, "pet": "big dog"}),
        ("a=1.", {"a": 1}),
        ("a=−2", {"a": -2}),
        ("a=1 a=1", {"a": 1}),
        ("xa=7 a=2 z=9", {"a": 2}),
        ("", {}),
        ("I do not know", {}),
    ],
)
def test_answers_are_read(text: str, values: dict[str, bool | int | str]) -> None:
    assert parse_answer(PROBLEM, text) == values


@pytest.mark.parametrize("text", ["a=1.5", "a=10", "a=", "a=one", "a=1 a=2", "pet=cats", "pet=3", "q=maybe"])
def test_a_value_that_cannot_be_read_spoils_the_answer(text: str) -> None:
    assert parse_answer(PROBLEM, text) is None


def test_names_that_differ_by_case_only_are_kept_apart() -> None:
    problem = Problem(variables=(IntVariable(name="A", low=0, high=9), IntVariable(name="a", low=0, high=9)))
    assert parse_answer(problem, "a=1 A=2") == {"a": 1, "A": 2}


def test_the_three_forms_of_an_answer() -> None:
    values: dict[str, bool | int | str] = {"a": 3, "pet": "big dog", "q": False}
    objective = Objective(sense="minimize", terms=(Term(variable="a", coefficient=5),))
    shown = ("q", "a")
    assert print_answer(PROBLEM, values) == "a=3 pet=big dog q=false"
    assert print_answer(Problem(variables=VARIABLES, answer=Shown(variables=shown)), values) == "q=false a=3"
    assert print_answer(Problem(variables=VARIABLES, answer=Shown(variables=shown, form="values")), values) == "false 3"
    asked = Problem(variables=VARIABLES, objective=objective, answer=Shown(form="objective"))
    assert print_answer(asked, values) == "15"


@given(
    values=st.fixed_dictionaries(
        {"a": st.integers(-9, 9), "pet": st.sampled_from(VARIABLES[1].values), "q": st.booleans()}
    )
)
def test_what_is_printed_is_read_back(values: dict[str, bool | int | str]) -> None:
    assert parse_answer(PROBLEM, print_answer(PROBLEM, values)) == values


@given(text=st.text(max_size=60) | st.from_regex(r"(a|pet|q)[=:][\w .,;-]{0,20}"))
def test_any_text_gives_values_of_the_domains_or_nothing(text: str) -> None:
    values = parse_answer(PROBLEM, text)
    for name, value in (values or {}).items():
        assert in_domain(PROBLEM.by_name[name], value)
