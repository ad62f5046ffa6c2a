"""Variables and values of a problem, as closed data, and what can be wrong with what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field

__all__ = [
    "LARGEST",
    "BoolVariable",
    "Closed",
    "Complaint",
    "EnumVariable",
    "IntVariable",
    "Label",
    "Many",
    "Name",
    "Number",
    "Relation",
    "Term",
    "Value",
    "Variable",
    "Variables",
    "alike",
    "named",
    "numeric",
    "terms_fit",
    "value_fits",
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


def named(field: str, names: Iterable[str], variables: Variables) -> Iterator[Complaint]:
    """Complains of names that no variable has."""
    for name in names:
        if name not in variables:
            near = get_close_matches(name, islice(variables, _COMPARED_NAMES), n=1, cutoff=0.5)
            some = ", ".join(list(variables)[:8]) + (", ..." if len(variables) > 8 else "")
            yield field, f"no variable {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"declared: {some}")


def terms_fit(field: str, terms: tuple[Term, ...], variables: Variables) -> Iterator[Complaint]:
    """Complains of terms that are unknown or not numbers, and of sums beyond 2^60."""
    yield from numeric(field, [term.variable for term in terms], variables)
    reach = 0
    for term in terms:
        match variables.get(term.variable):
            case IntVariable(low=low, high=high):
                reach += abs(term.coefficient) * max(abs(low), abs(high))
            case _:
                reach += abs(term.coefficient)
    if reach > _SUM:
        yield field, "the sum can pass 2^60; use smaller coefficients or narrower variables"


def numeric(field: str, names: Iterable[str], variables: Variables) -> Iterator[Complaint]:
    """Complains of names that are unknown or not of numbers."""
    for name in names:
        yield from named(field, (name,), variables)
        if isinstance(variables.get(name), EnumVariable):
            yield field, f"{name!r} is an enum; a number (int or bool variable) is needed here"


def alike(field: str, names: Iterable[str], variables: Variables) -> Iterator[Complaint]:
    """Complains of labels beside numbers, which cannot be compared."""
    first: dict[bool, str] = {}
    for name in names:
        if name in variables:
            first.setdefault(isinstance(variables[name], EnumVariable), name)
    if len(first) == 2:
        yield field, f"{first[True]!r} is an enum and {first[False]!r} a number; they cannot be compared"


def value_fits(field: str, name: str, value: Value, variables: Variables) -> Iterator[Complaint]:
    """Complains of a value that its variable cannot have."""
    match variables.get(name):
        case IntVariable() if isinstance(value, bool) or not isinstance(value, int):
            yield field, f"{name!r} is an int, so the value must be a whole number, not {value!r}"
        case BoolVariable() if not isinstance(value, bool):
            yield field, f"{name!r} is a bool, so the value must be true or false, not {value!r}"
        case EnumVariable() as variable if value not in variable.labels:
            labels = variable.values
            shown = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
            yield field, f"{value!r} is not a label of {name!r}; its labels: {shown}"
