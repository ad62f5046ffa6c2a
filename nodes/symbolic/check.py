"""Whether an assignment satisfies a problem, in plain Python.

Nothing here is shared with the solver or with the code that builds its model, so that a fault there cannot hide here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from itertools import accumulate
from typing import Any, TypeAlias

from .constraints import (
    Abs,
    AllDifferent,
    AnyOf,
    Compare,
    Count,
    Cumulative,
    Element,
    Implication,
    Linear,
    Max,
    Min,
    TableConstraint,
)
from .schema import Problem
from .variables import BoolVariable, EnumVariable, IntVariable, Term

__all__ = ["Assignment", "in_domain", "objective_value", "violations"]

Assignment: TypeAlias = Mapping[str, bool | int | str]
"""A value for every variable: a bool, a whole number or a label, as the variable's type says."""

_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def violations(problem: Problem, assignment: Assignment) -> tuple[str, ...]:
    """What is wrong with an assignment, one line a fault; empty where it satisfies everything.

    Constraints are evaluated only when every variable has a value of its domain. Whether an objective is at its best
    is not checked here.
    """
    by_name = problem.by_name
    faults = [f"{name!r} has no value" for name in by_name if name not in assignment]
    faults += [f"{name!r} is not a variable of the problem" for name in assignment if name not in by_name]
    faults += [
        f"{name!r} cannot be {assignment[name]!r}"
        for name, variable in by_name.items()
        if name in assignment and not in_domain(variable, assignment[name])
    ]
    if faults:
        return tuple(faults)
    return tuple(
        f"constraints[{index}] ({constraint.kind}) does not hold"
        for index, constraint in enumerate(problem.constraints)
        if not _holds(constraint, assignment)
    )


def objective_value(problem: Problem, assignment: Assignment) -> int | None:
    """The value of the objective, or None where the problem has none."""
    return None if problem.objective is None else _total(problem.objective.terms, assignment)


def in_domain(variable: IntVariable | BoolVariable | EnumVariable, value: bool | int | str) -> bool:
    """Whether a value has the variable's type and lies in its domain."""
    match variable:
        case IntVariable(low=low, high=high):
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        case BoolVariable():
            return isinstance(value, bool)
        case EnumVariable(labels=labels):
            return isinstance(value, str) and value in labels


def _total(terms: Iterable[Term], values: Assignment) -> int:
    return sum(term.coefficient * int(values[term.variable]) for term in terms)


@singledispatch
def _holds(constraint: object, values: Assignment) -> bool:
    raise TypeError(f"no check for {type(constraint).__name__}")


@_holds.register
def _(constraint: AllDifferent, values: Assignment) -> bool:
    return len({values[name] for name in constraint.variables}) == len(constraint.variables)


@_holds.register
def _(constraint: Linear, values: Assignment) -> bool:
    return _RELATIONS[constraint.relation](_total(constraint.terms, values), constraint.constant)


@_holds.register
def _(constraint: Compare, values: Assignment) -> bool:
    right = values[constraint.other] if constraint.other is not None else constraint.value
    return _RELATIONS[constraint.relation](values[constraint.variable], right)


@_holds.register
def _(constraint: Implication, values: Assignment) -> bool:
    if not all(_holds(condition, values) for condition in constraint.when):
        return True
    return all(_holds(condition, values) for condition in constraint.then)


@_holds.register
def _(constraint: AnyOf, values: Assignment) -> bool:
    return any(_holds(condition, values) for condition in constraint.conditions)


@_holds.register
def _(constraint: TableConstraint, values: Assignment) -> bool:
    row = tuple(values[name] for name in constraint.variables)
    return (row in constraint.rows) is not constraint.forbidden


@_holds.register
def _(constraint: Element, values: Assignment) -> bool:
    index = int(values[constraint.index])
    if not 0 <= index < len(constraint.array):
        return False
    entry = constraint.array[index]
    return values[constraint.target] == (values[entry] if isinstance(entry, str) else entry)


@_holds.register
def _(constraint: Abs, values: Assignment) -> bool:
    return int(values[constraint.target]) == abs(_total(constraint.terms, values))


@_holds.register
def _(constraint: Min, values: Assignment) -> bool:
    return int(values[constraint.target]) == min(int(values[name]) for name in constraint.variables)


@_holds.register
def _(constraint: Max, values: Assignment) -> bool:
    return int(values[constraint.target]) == max(int(values[name]) for name in constraint.variables)


@_holds.register
def _(constraint: Count, values: Assignment) -> bool:
    found = sum(values[name] == constraint.value for name in constraint.variables)
    return _RELATIONS[constraint.relation](found, constraint.constant)


@_holds.register
def _(constraint: Cumulative, values: Assignment) -> bool:
    changes: list[tuple[int, int]] = []
    for activity in constraint.activities:
        begin = int(values[activity.start])
        changes += ((begin, activity.demand), (begin + activity.duration, -activity.demand))
    # At one moment what ends comes before what begins.
    return all(load <= constraint.capacity for load in accumulate(demand for _, demand in sorted(changes)))
