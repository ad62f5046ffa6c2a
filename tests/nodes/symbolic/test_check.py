from __future__ import annotations

import pytest

from apportion.nodes.symbolic.check import objective_value, violations
from apportion.nodes.symbolic.constraints import (
    Abs,
    Activity,
    AllDifferent,
    AnyOf,
    Compare,
    Constraint,
    Count,
    Cumulative,
    Element,
    Implication,
    Linear,
    Max,
    Min,
    TableConstraint,
)
from apportion.nodes.symbolic.schema import Objective, Problem
from apportion.nodes.symbolic.variables import BoolVariable, EnumVariable, IntVariable, Relation, Term

VARIABLES = (
    IntVariable(name="a", low=-3, high=5),
    IntVariable(name="b", low=-3, high=5),
    IntVariable(name="c", low=-3, high=5),
    BoolVariable(name="q"),
    EnumVariable(name="pet", values=("cat", "dog")),
    EnumVariable(name="prey", values=("cat", "mouse")),
)
VALUES: dict[str, bool | int | str] = {"a": 2, "b": -1, "c": 3, "q": True, "pet": "cat", "prey": "mouse"}
TWO_A_MINUS_B = (Term(variable="a", coefficient=2), Term(variable="b", coefficient=-1))


def holds(constraint: Constraint) -> bool:
    return not violations(Problem(variables=VARIABLES, constraints=(constraint,)), VALUES)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (AllDifferent(variables=("a", "b", "c")), True),
        (AllDifferent(variables=("a", "b", "c", "q")), True),
        (AllDifferent(variables=("pet", "prey")), True),
        (Linear(terms=TWO_A_MINUS_B, relation="==", constant=5), True),
        (Linear(terms=TWO_A_MINUS_B, relation="!=", constant=5), False),
        (Compare(variable="pet", value="cat"), True),
        (Compare(variable="pet", relation="!=", value="cat"), False),
        (Compare(variable="pet", other="prey"), False),
        (Compare(variable="a", relation="<", other="c"), True),
        (Implication(when=(Compare(variable="q", value=False),), then=(Compare(variable="a", value=9),)), True),
        (Implication(when=(Compare(variable="q", value=True),), then=(Compare(variable="a", value=9),)), False),
        (AnyOf(conditions=(Compare(variable="a", value=9), Compare(variable="b", value=-1))), True),
        (AnyOf(conditions=(Compare(variable="a", value=9), Compare(variable="b", value=0))), False),
        (TableConstraint(variables=("a", "pet"), rows=((1, "cat"), (2, "cat"))), True),
        (TableConstraint(variables=("a", "pet"), rows=((1, "cat"), (2, "dog"))), False),
        (TableConstraint(variables=("a", "pet"), rows=((2, "cat"),), forbidden=True), False),
        (Element(index="a", array=(9, 9, "c"), target="c"), True),
        (Element(index="a", array=(9, 9, 3), target="c"), True),
        (Element(index="a", array=(3, 3), target="c"), False),
        (Element(index="b", array=(3, 3, 3), target="c"), False),
        (Abs(target="c", terms=(Term(variable="a"), Term(variable="b", coefficient=-1))), True),
        (Abs(target="b", terms=(Term(variable="b"),)), False),
        (Min(target="b", variables=("a", "b", "c")), True),
        (Max(target="b", variables=("a", "b", "c")), False),
        (Max(target="c", variables=("a", "b", "c")), True),
        (Count(variables=("pet", "pet"), value="cat", relation="==", constant=2), True),
        (Count(variables=("a", "b", "c"), value=2, relation=">", constant=1), False),
    ],
)
def test_each_kind_means_what_it_says(constraint: Constraint, expected: bool) -> None:
    assert holds(constraint) is expected


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("==", (False, True, False)),
        ("!=", (True, False, True)),
        ("<", (False, False, True)),
        ("<=", (False, True, True)),
        (">", (True, False, False)),
        (">=", (True, True, False)),
    ],
)
def test_relations_at_one_below_equal_and_one_above(relation: Relation, expected: tuple[bool, bool, bool]) -> None:
    at = tuple(holds(Linear(terms=TWO_A_MINUS_B, relation=relation, constant=constant)) for constant in (4, 5, 6))
    assert at == expected


@pytest.mark.parametrize(("capacity", "expected"), [(3, True), (2, False)])
def test_demands_add_up_only_while_activities_overlap(capacity: int, expected: bool) -> None:
    activities = (
        Activity(start="b", duration=3, demand=2),  # -1, 0, 1
        Activity(start="a", duration=2, demand=2),  # 2, 3
        Activity(start="c", duration=1, demand=1),  # 3
        Activity(start="a", duration=0, demand=99),
    )
    assert holds(Cumulative(activities=activities, capacity=capacity)) is expected


def test_an_assignment_must_give_every_variable_a_value_of_its_domain() -> None:
    problem = Problem(variables=VARIABLES)
    assert violations(problem, VALUES) == ()
    assert violations(problem, {name: value for name, value in VALUES.items() if name != "a"}) == ("'a' has no value",)
    assert violations(problem, VALUES | {"z": 1}) == ("'z' is not a variable of the problem",)
    for name, value in (("a", 6), ("a", True), ("a", "2"), ("q", 1), ("pet", "mouse")):
        assert violations(problem, VALUES | {name: value}) == (f"{name!r} cannot be {value!r}",)


def test_every_broken_constraint_is_named() -> None:
    broken = Compare(variable="a", value=0)
    problem = Problem(variables=VARIABLES, constraints=(broken, Compare(variable="a", value=2), broken))
    assert violations(problem, VALUES) == (
        "constraints[0] (compare) does not hold",
        "constraints[2] (compare) does not hold",
    )


def test_the_objective_has_a_value_only_where_there_is_one() -> None:
    assert objective_value(Problem(variables=VARIABLES), VALUES) is None
    objective = Objective(sense="maximize", terms=TWO_A_MINUS_B)
    assert objective_value(Problem(variables=VARIABLES, objective=objective), VALUES) == 5
