"""The kinds of constraint that a problem may hold, as closed data: no expression is ever evaluated.

Every kind lists its own complaints about names and types (`complaints`); what it means is said twice and
independently, in `check` for Python and in `build` for the solver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field

__all__ = [
    "LARGEST",
    "Abs",
    "Activity",
    "AllDifferent",
    "AnyOf",
    "BoolVariable",
    "Compare",
    "Complaint",
    "Condition",
    "Constraint",
    "Count",
    "Cumulative",
    "Element",
    "EnumVariable",
    "Implication",
    "IntVariable",
    "Linear",
    "Many",
    "Max",
    "Min",
    "Name",
    "Relation",
    "TableConstraint",
    "Term",
    "Value",
    "Variable",
    "Variables",
    "named",
    "terms_fit",
]

LARGEST = 2**31
"""The largest absolute value of a bound, coefficient or constant in a constraint."""

_COMPARED_NAMES = 256
"""How many declared names are looked through for one that an unknown name may mean; comparing them is slow."""
_SUM = 2**60
"""The largest absolute value that a weighted sum may reach; the solver counts in 64 bits."""

T = TypeVar("T")
Many: TypeAlias = Annotated[tuple[T, ...], FailFast()]
"""A list that is read up to its first fault: thousands of them are not worth finding when only one is told."""
Name: TypeAlias = Annotated[str, Field(pattern=r"^[^\W\d]\w{0,63}$")]
"""A variable's name: a letter or underscore, then up to 63 letters, digits or underscores."""
Label: TypeAlias = Annotated[str, Field(pattern=r"^[^=,;\s](?:[^=,;\x00-\x1f]{0,62}[^=,;\s])?$")]
"""A value of an enum: up to 64 characters on one line without `=`, `,` or `;`."""
Number: TypeAlias = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
"""A whole number of at most 2^31 in absolute value."""
Value: TypeAlias = bool | Number | Label
"""What a variable may be: true or false, a whole number, or a label."""
_RELATIONS = {
    **dict.fromkeys(("=", "===", "eq", "equal", "equals", "is", "≡"), "=="),
    **dict.fromkeys(
        ("≠", "<>", "!==", "=/=", "~=", "\\ne", "\\neq", "ne", "neq", "not equal", "not equals", "is not"), "!="
    ),
    **dict.fromkeys(("≤", "⩽", "=<", "&lt;=", "\\le", "\\leq", "le", "lte", "leq", "at most"), "<="),
    **dict.fromkeys(("≥", "⩾", "=>", "&gt;=", "\\ge", "\\geq", "ge", "gte", "geq", "at least"), ">="),
    **dict.fromkeys(("lt", "less than", "＜", "&lt;"), "<"),
    **dict.fromkeys(("gt", "greater than", "＞", "&gt;"), ">"),
}


def _relation(written: Any) -> Any:
    """The sign for what models write in its place; a repair round over it would cost a whole call."""
    return (
        _RELATIONS.get(" ".join(written.lower().replace("_", " ").split()), written)
        if isinstance(written, str)
        else written
    )


Relation: TypeAlias = Annotated[Literal["==", "!=", "<", "<=", ">", ">="], BeforeValidator(_relation)]
Remark: TypeAlias = Annotated[None, BeforeValidator(lambda _: None), Field(exclude=True, repr=False)]
"""What a model adds for people; it is read and left out."""
Complaint: TypeAlias = tuple[str, str]
"""The field at fault and what is wrong with it."""


class Closed(BaseModel):
    """Frozen data without unknown fields and without conversions: "3" is not 3. Remarks are let pass."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    description: Remark = None
    comment: Remark = None
    explanation: Remark = None
    note: Remark = None
    reason: Remark = None
    label: Remark = None
    id: Remark = None


class IntVariable(Closed):
    """A whole number from `low` to `high`, both included."""

    type: Literal["int"] = "int"
    name: Name
    low: Number
    high: Number


class BoolVariable(Closed):
    """True or false; 1 or 0 in sums."""

    type: Literal["bool"] = "bool"
    name: Name


class EnumVariable(Closed):
    """One label of a list. Equal labels of two variables are equal values."""

    type: Literal["enum"] = "enum"
    name: Name
    values: Many[Label] = Field(min_length=1, max_length=1000)

    @cached_property
    def labels(self) -> frozenset[str]:
        """The values, to look one up among them."""
        return frozenset(self.values)

    @cached_property
    def folded(self) -> Mapping[str, str]:
        """From a value without regard to case to the value; to the first in order where several differ by case only."""
        return {label.casefold(): label for label in sorted(self.values, reverse=True)}


Variable: TypeAlias = Annotated[IntVariable | BoolVariable | EnumVariable, Field(discriminator="type")]
Variables: TypeAlias = Mapping[str, IntVariable | BoolVariable | EnumVariable]


class Term(Closed):
    """A variable with its coefficient in a sum."""

    variable: Name
    coefficient: Number = 1


class AllDifferent(Closed):
    """No two of the variables are equal."""

    kind: Literal["all_different"] = "all_different"
    variables: Many[Name] = Field(min_length=2)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from named("variables", self.variables, variables)
        yield from _alike("variables", self.variables, variables)
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
            yield from _value_fits("value", self.variable, self.value, variables)
        if self.other is not None:
            yield from named("other", (self.other,), variables)
            yield from _alike("other", (self.variable, self.other), variables)
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
                yield from _value_fits(f"rows[{index}][{column}]", name, value, variables)


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
        yield from _alike("array", (self.target, *names), variables)
        if len(names) < len(self.array) and isinstance(variables.get(self.target), EnumVariable):
            yield "array", f"{self.target!r} is an enum, so every entry must name an enum variable"


class Abs(Closed):
    """`target` equals the absolute value of the sum of the terms, for example of a difference."""

    kind: Literal["abs"] = "abs"
    target: Name
    terms: Many[Term] = Field(min_length=1)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from _numeric("target", (self.target,), variables)
        yield from terms_fit("terms", self.terms, variables)


class _Extreme(Closed):
    target: Name
    variables: Many[Name] = Field(min_length=1)

    def complaints(self, variables: Variables) -> Iterator[Complaint]:
        """What does not fit the declared variables."""
        yield from _numeric("target", (self.target,), variables)
        yield from _numeric("variables", self.variables, variables)


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
            yield from _value_fits("value", name, self.value, variables)


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
            yield from _numeric(f"activities[{index}].start", (activity.start,), variables)


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


def named(field: str, names: Iterable[str], variables: Variables) -> Iterator[Complaint]:
    """Complains of names that no variable has."""
    for name in names:
        if name not in variables:
            near = get_close_matches(name, islice(variables, _COMPARED_NAMES), n=1, cutoff=0.5)
            some = ", ".join(list(variables)[:8]) + (", ..." if len(variables) > 8 else "")
            yield field, f"no variable {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"declared: {some}")


def terms_fit(field: str, terms: tuple[Term, ...], variables: Variables) -> Iterator[Complaint]:
    """Complains of terms that are unknown or not numbers, and of sums beyond 2^60."""
    yield from _numeric(field, [term.variable for term in terms], variables)
    reach = 0
    for term in terms:
        match variables.get(term.variable):
            case IntVariable(low=low, high=high):
                reach += abs(term.coefficient) * max(abs(low), abs(high))
            case _:
                reach += abs(term.coefficient)
    if reach > _SUM:
        yield field, "the sum can pass 2^60; use smaller coefficients or narrower variables"


def _numeric(field: str, names: Iterable[str], variables: Variables) -> Iterator[Complaint]:
    for name in names:
        yield from named(field, (name,), variables)
        if isinstance(variables.get(name), EnumVariable):
            yield field, f"{name!r} is an enum; a number (int or bool variable) is needed here"


def _alike(field: str, names: Iterable[str], variables: Variables) -> Iterator[Complaint]:
    """Labels cannot be compared with numbers."""
    first: dict[bool, str] = {}
    for name in names:
        if name in variables:
            first.setdefault(isinstance(variables[name], EnumVariable), name)
    if len(first) == 2:
        yield field, f"{first[True]!r} is an enum and {first[False]!r} a number; they cannot be compared"


def _value_fits(field: str, name: str, value: Value, variables: Variables) -> Iterator[Complaint]:
    match variables.get(name):
        case IntVariable() if isinstance(value, bool) or not isinstance(value, int):
            yield field, f"{name!r} is an int, so the value must be a whole number, not {value!r}"
        case BoolVariable() if not isinstance(value, bool):
            yield field, f"{name!r} is a bool, so the value must be true or false, not {value!r}"
        case EnumVariable() as variable if value not in variable.labels:
            labels = variable.values
            shown = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
            yield field, f"{value!r} is not a label of {name!r}; its labels: {shown}"


def _inner(field: str, conditions: tuple[Condition, ...], variables: Variables) -> Iterator[Complaint]:
    for index, condition in enumerate(conditions):
        for inner, reason in condition.complaints(variables):
            yield f"{field}[{index}].{inner}", reason
