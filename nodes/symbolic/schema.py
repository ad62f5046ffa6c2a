"""A constraint problem as closed data: what a model may write, and all that it may write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from ...errors import ProblemError
from .constraints import Constraint
from .variables import (
    BoolVariable,
    Closed,
    Complaint,
    EnumVariable,
    IntVariable,
    Many,
    Name,
    Term,
    Variable,
    named,
    terms_fit,
)

__all__ = [
    "MOST_BYTES",
    "MOST_CONSTRAINTS",
    "MOST_VARIABLES",
    "TOO_LONG",
    "Objective",
    "Problem",
    "Shown",
    "parse_problem",
]

MOST_BYTES = 256 * 1024
"""The longest text of a problem, in bytes of UTF-8."""
TOO_LONG = f"the problem is too long: at most {MOST_BYTES:,} bytes are read. Write it shorter."
MOST_VARIABLES = 2_000
MOST_CONSTRAINTS = 10_000


class Objective(Closed):
    """What is to be smallest or largest."""

    sense: Literal["minimize", "maximize"]
    terms: Many[Term] = Field(min_length=1)


class Shown(Closed):
    """What of a solution is the answer, and how it is printed."""

    variables: Many[Name] = ()
    """Which variables, in which order; empty for all of them in the order of their declaration."""
    form: Literal["pairs", "values", "objective"] = "pairs"
    """pairs: `a=1 b=3`; values: `1 3`; objective: the value of the objective alone."""


class Problem(Closed):
    """Variables with finite domains, constraints on them, and perhaps an objective.

    Raises:
        ValidationError: of pydantic, when built in code from values that do not fit; text goes through
            `parse_problem`, whose errors are written for the model that wrote the text.
    """

    variables: Many[Variable] = Field(min_length=1, max_length=MOST_VARIABLES)
    constraints: Many[Constraint] = Field(default=(), max_length=MOST_CONSTRAINTS)
    objective: Objective | None = None
    answer: Shown = Shown()

    @model_validator(mode="after")
    def _consistent(self) -> Problem:
        for place, reason in self._complaints():
            raise ValueError(f"{place}: {reason}")
        return self

    @property
    def by_name(self) -> dict[str, IntVariable | BoolVariable | EnumVariable]:
        """The variables by their names, in the order of their declaration."""
        return {variable.name: variable for variable in self.variables}

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the variables that make the answer, in its order."""
        return self.answer.variables or tuple(variable.name for variable in self.variables)

    def to_json(self) -> str:
        """Compact JSON that `parse_problem` reads back to an equal problem."""
        return self.model_dump_json(exclude_none=True)

    def _complaints(self) -> Iterator[Complaint]:
        by_name: dict[str, IntVariable | BoolVariable | EnumVariable] = {}
        for index, variable in enumerate(self.variables):
            if variable.name in by_name:
                yield f"variables[{index}].name", f"{variable.name!r} is declared twice"
            by_name[variable.name] = variable
            if isinstance(variable, IntVariable) and variable.low > variable.high:
                yield f"variables[{index}].low", f"{variable.name!r} has low {variable.low} above high {variable.high}"
            if isinstance(variable, EnumVariable) and len(set(variable.values)) < len(variable.values):
                yield f"variables[{index}].values", f"{variable.name!r} has a label twice"
        for index, constraint in enumerate(self.constraints):
            for field, reason in constraint.complaints(by_name):
                yield f"constraints[{index}] ({constraint.kind}).{field}", reason
        if self.objective is not None:
            for field, reason in terms_fit("terms", self.objective.terms, by_name):
                yield f"objective.{field}", reason
        for field, reason in named("variables", self.answer.variables, by_name):
            yield f"answer.{field}", reason
        if len(set(self.answer.variables)) < len(self.answer.variables):
            yield "answer.variables", "a variable is listed twice"
        if self.answer.form == "objective" and self.objective is None:
            yield "answer.form", "'objective' needs an objective; add one or use 'pairs' or 'values'"


def parse_problem(json_text: str) -> Problem:
    """Reads a problem that a model wrote.

    Raises:
        ProblemError: with one line that names the constraint and the field, written so that the model can mend it.
    """
    if len(json_text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise ProblemError(TOO_LONG)
    try:
        return Problem.model_validate_json(json_text)
    except ValidationError as error:
        raise ProblemError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    """The first fault, with its place in the writer's own JSON."""
    first = error.errors(include_url=False, include_input=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "json_invalid":
        return f"not valid JSON: {context['error']}"
    place, any_value = _place(first["loc"])
    if kind == "extra_forbidden":
        return f"{place}: there is no such field; remove it"
    if kind == "missing":
        return f"{place}: this field is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        field = str(context["discriminator"]).strip("'")
        known = str(context.get("expected_tags", "")).replace("'", "")
        given = f"{str(context['tag'])[:64]!r} is not known" if "tag" in context else "this field is missing"
        return f"{place}.{field}: {given}" + (f"; use one of {known}" if known else "")
    if any_value:
        return f"{place}: must be a whole number up to 2^31, true or false, or a label without '=', ',' or ';'"
    if kind == "string_pattern_mismatch":
        return f"{place}: use letters, digits and underscores, at most 64, not starting with a digit"
    return f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _place(location: tuple[int | str, ...]) -> tuple[str, bool]:
    """The place as `constraints[3] (linear).terms[0].variable`, and whether it may hold any kind of value."""
    place = ""
    after_index = False
    for position, step in enumerate(location, start=1):
        if isinstance(step, int):
            place += f"[{step}]"
        elif position == len(location) and step in _VALUE_TAGS:
            return place, True
        elif after_index and step in _TAGS:
            place += f" ({step})"
        else:
            place += f".{step}" if place else step
        after_index = isinstance(step, int)
    return place or "the problem", False


_TAGS = frozenset(
    {"int", "bool", "enum", "all_different", "linear", "compare", "implication", "any_of"}
    | {"table", "element", "abs", "min", "max", "count", "cumulative"}
)
"""The values of `kind` and `type`, which pydantic puts behind the index in a location."""
_VALUE_TAGS = frozenset({"bool", "constrained-int", "constrained-str"})
"""The members of `Value`, one of which pydantic puts at the end of a location."""
