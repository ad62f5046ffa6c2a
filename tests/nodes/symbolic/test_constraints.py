from __future__ import annotations

import pytest

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
from apportion.nodes.symbolic.variables import BoolVariable, EnumVariable, IntVariable, Term, Variable

DECLARED: dict[str, Variable] = {
    "a": IntVariable(name="a", low=0, high=5),
    "b": IntVariable(name="b", low=0, high=5),
    "q": BoolVariable(name="q"),
    "pet": EnumVariable(name="pet", values=("cat", "dog")),
    "prey": EnumVariable(name="prey", values=("cat", "mouse")),
}
A = Term(variable="a")
PET = Term(variable="pet")
ONE = Compare(variable="a", value=1)
ODD = Compare(variable="z", value=1)
WALK = Activity(start="pet", duration=1, demand=1)


@pytest.mark.parametrize(
    "constraint",
    [
        AllDifferent(variables=("a", "b", "q")),
        AllDifferent(variables=("pet", "prey")),
        Compare(variable="pet", value="dog"),
        Compare(variable="pet", relation="!=", other="prey"),
        Compare(variable="a", relation="<", other="q"),
        Compare(variable="a", value=99),
        Compare(variable="q", value=False),
        Element(index="a", array=(1, "b", 3), target="b"),
        Element(index="a", array=("pet", "pet"), target="prey"),
        TableConstraint(variables=("a", "q", "pet"), rows=((1, True, "cat"),)),
        Count(variables=("pet", "prey"), value="cat", relation="==", constant=1),
        Abs(target="a", terms=(A, Term(variable="b", coefficient=-1))),
        Cumulative(activities=(Activity(start="a", duration=2, demand=1),), capacity=1),
    ],
)
def test_what_fits_draws_no_complaint(constraint: Constraint) -> None:
    assert list(constraint.complaints(DECLARED)) == []


@pytest.mark.parametrize(
    ("constraint", "field", "words"),
    [
        (AllDifferent(variables=("a", "pet")), "variables", "cannot be compared"),
        (AllDifferent(variables=("a", "b", "a")), "variables", "'a' is listed twice"),
        (AllDifferent(variables=("a", "z")), "variables", "no variable 'z'; declared: a, b, q, pet, prey"),
        (Linear(terms=(PET,), relation="<", constant=1), "terms", "'pet' is an enum"),
        (Compare(variable="a"), "value", "either 'value'"),
        (Compare(variable="a", value=1, other="b"), "value", "not both"),
        (Compare(variable="a", value="cat"), "value", "'a' is an int"),
        (Compare(variable="a", value=True), "value", "'a' is an int"),
        (Compare(variable="q", value=1), "value", "'q' is a bool"),
        (Compare(variable="pet", value="mouse"), "value", "its labels: cat, dog"),
        (Compare(variable="pet", relation="<", other="prey"), "relation", "no order"),
        (Compare(variable="pet", other="a"), "other", "cannot be compared"),
        (Compare(variable="a", other="z"), "other", "no variable 'z'"),
        (Implication(when=(ODD,), then=(ONE,)), "when[0].variable", "no variable 'z'"),
        (Implication(when=(ONE,), then=(ODD,)), "then[0].variable", "no variable 'z'"),
        (AnyOf(conditions=(ONE, Linear(terms=(PET,), relation="<", constant=1))), "conditions[1].terms", "enum"),
        (TableConstraint(variables=("a", "b"), rows=((1, 2), (3,))), "rows[1]", "1 values for 2 variables"),
        (TableConstraint(variables=("a", "b"), rows=((1, True),)), "rows[0][1]", "'b' is an int"),
        (Element(index="q", array=(1,), target="a"), "index", "must be an int"),
        (Element(index="a", array=(1,), target="pet"), "array", "every entry must name an enum"),
        (Element(index="a", array=("pet",), target="b"), "array", "cannot be compared"),
        (Abs(target="pet", terms=(A,)), "target", "enum"),
        (Min(target="a", variables=("b", "pet")), "variables", "enum"),
        (Max(target="z", variables=("b",)), "target", "no variable 'z'"),
        (Count(variables=("a", "q"), value=1, relation="==", constant=1), "value", "'q' is a bool"),
        (Cumulative(activities=(WALK,), capacity=1), "activities[0].start", "enum"),
    ],
)  # fmt: skip
def test_a_complaint_names_the_field(constraint: Constraint, field: str, words: str) -> None:
    place, reason = next(iter(constraint.complaints(DECLARED)))
    assert place == field
    assert words in reason
