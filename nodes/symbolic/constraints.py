"""The kinds of constraint that a problem may hold, as closed data: no expression is ever evaluated.

Every kind lists its own complaints about names and types (`complaints`); what it means is said twice and
independently, in `check` for Python and in `build` for the solver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .variables import (
    LARGEST,
    Closed,
    Complaint,
    EnumVariable,
    IntVariable,
    Many,
    Name,
    Number,
    Relation,
    Term,
    Value,
    Variables,
    alike,
    named,
    numeric,
    terms_fit,
    value_fits,
)

__all__ = [
    "Abs",
    "Activity",
    "AllDifferent",
    "AnyOf",
    "Compare",
    "Condition",
    "Constraint",
    "Count",
    "Cumulative",
    "Element",
    "Implication",
    "Linear",
    "Max",
    "Min",
    "TableConstraint",
]


class AllDifferent(Closed):
    """No two of the variables are equal."""

    kind: Literal["all_different"] = "all_different"
    variables: Many[Name] = Field(min_length=2)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from named("variables", self.variables, variables)
        yield from alike("variables", self.variables, variables)
        name, times = Counter(self.variables).most_common(1)[0]
        if times > 1:
            yield "variables", f"{name!r} is listed twice, so it can never differ from itself; list it once"


class Linear(Closed):
    """The sum of coefficient times variable, compared with a constant."""

    kind: Literal["linear"] = "linear"
    terms: Many[Term] = Field(min_length=1)
    relation: Relation
    constant: Number

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from terms_fit("terms", self.terms, variables)


class Compare(Closed):
    """A variable compared with a value or with another variable; exactly one of the two is given."""

    kind: Literal["compare"] = "compare"
    variable: Name
    relation: Relation = "=="
    value: Value | None = None
    other: Name | None = None

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        if (self.value is None) == (self.other is None):
            yield "value", "give either 'value' (a constant) or 'other' (the name of a variable), not both or neither"
            return
        yield from named("variable", (self.variable,), variables)
        if self.value is not None:
            yield from value_fits("value", self.variable, self.value, variables)
        if self.other is not None:
            yield from named("other", (self.other,), variables)
            yield from alike("other", (self.variable, self.other), variables)
        if self.relation not in ("==", "!=") and isinstance(variables.get(self.variable), EnumVariable):
            yield "relation", f"{self.variable!r} is an enum, whose labels have no order; use == or !="


Condition: TypeAlias = Annotated[Linear | Compare, Field(discriminator="kind")]
"""A constraint that may also be a part of an implication or of a choice."""


class Implication(Closed):
    """When all of `when` hold, all of `then` hold."""

    kind: Literal["implication"] = "implication"
    when: Many[Condition] = Field(min_length=1)
    then: Many[Condition] = Field(min_length=1)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from _inner("when", self.when, variables)
        yield from _inner("then", self.then, variables)


class AnyOf(Closed):
    """At least one of the conditions holds."""

    kind: Literal["any_of"] = "any_of"
    conditions: Many[Condition] = Field(min_length=1)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from _inner("conditions", self.conditions, variables)


class TableConstraint(Closed):
    """The variables together take one of the rows; with `forbidden`, none of them."""

    kind: Literal["table"] = "table"
    variables: Many[Name] = Field(min_length=1)
    rows: Many[Many[Value]] = Field(min_length=1)
    forbidden: bool = False

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from named("variables", self.variables, variables)
        for index, row in enumerate(self.rows):
            if len(row) != len(self.variables):
                yield f"rows[{index}]", f"{len(row)} values for {len(self.variables)} variables"
                continue
            for column, (name, value) in enumerate(zip(self.variables, row, strict=True)):
                yield from value_fits(f"rows[{index}][{column}]", name, value, variables)


class Element(Closed):
    """`target` equals the entry of `array` at position `index`, counted from 0.

    A number in `array` is a constant, a text is the name of a variable.
    """

    kind: Literal["element"] = "element"
    index: Name
    array: Many[Number | Name] = Field(min_length=1)
    target: Name

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from named("index", (self.index,), variables)
        if self.index in variables and not isinstance(variables[self.index], IntVariable):
            yield "index", f"{self.index!r} must be an int variable"
        names = tuple(entry for entry in self.array if isinstance(entry, str))
        yield from named("array", names, variables)
        yield from named("target", (self.target,), variables)
        yield from alike("array", (self.target, *names), variables)
        if len(names) < len(self.array) and isinstance(variables.get(self.target), EnumVariable):
            yield "array", f"{self.target!r} is an enum, so every entry must name an enum variable"


class Abs(Closed):
    """`target` equals the absolute value of the sum of the terms, for example of a difference."""

    kind: Literal["abs"] = "abs"
    target: Name
    terms: Many[Term] = Field(min_length=1)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from numeric("target", (self.target,), variables)
        yield from terms_fit("terms", self.terms, variables)


class _Extreme(Closed):
    target: Name
    variables: Many[Name] = Field(min_length=1)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from numeric("target", (self.target,), variables)
        yield from numeric("variables", self.variables, variables)


class Min(_Extreme):
    """`target` equals the smallest of the variables."""

    kind: Literal["min"] = "min"


class Max(_Extreme):
    """`target` equals the largest of the variables."""

    kind: Literal["max"] = "max"


class Count(Closed):
    """How many of the variables equal `value`, compared with a constant."""

    kind: Literal["count"] = "count"
    variables: Many[Name] = Field(min_length=1)
    value: Value
    relation: Relation
    constant: Number

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from named("variables", self.variables, variables)
        for name in self.variables:
            yield from value_fits("value", name, self.value, variables)


class Activity(Closed):
    """A piece of work that takes `demand` of a resource from its start for `duration`."""

    start: Name
    duration: int = Field(ge=0, le=LARGEST)
    demand: int = Field(ge=0, le=LARGEST)


class Cumulative(Closed):
    """At every moment the demands of the activities under way are at most `capacity`."""

    kind: Literal["cumulative"] = "cumulative"
    activities: Many[Activity] = Field(min_length=1)
    capacity: int = Field(ge=0, le=LARGEST)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        for index, activity in enumerate(self.activities):
            yield from numeric(f"activities[{index}].start", (activity.start,), variables)


Constraint: TypeAlias = Annotated[
    AllDifferent
    | Linear
    | Compare
    | Implication
    | AnyOf
    | TableConstraint
    | Element
    | Abs
    | Min
    | Max
    | Count
    | Cumulative,
    Field(discriminator="kind"),
]


def _inner(field: str, conditions: tuple[Condition, ...], variables: Variables) -> Iterator[Complaint]:
    for index, condition in enumerate(conditions):
        for inner, reason in condition.complaints(variables):
            yield f"{field}[{index}].{inner}", reason
