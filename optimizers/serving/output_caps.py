"""Output caps that are lowered so that a run fits into what is left."""

from __future__ import annotations

from bisect import bisect_left

from ...budgets.cap import in_unit
from ...graphs.bounds import Bounds
from ...graphs.plan import Plan
from ...records.rows import Unit
from ...records.task import Task

__all__ = ["output_cap_within"]

_LEAST = 8
"""Tokens; with fewer hardly a model says anything."""


def output_cap_within(ceiling: float, plan: Plan, task: Task, bounds: Bounds, unit: Unit) -> int | None:
    """The largest output cap under which one call and the finishing allowance fit below a ceiling.

    Args:
        ceiling: in the unit.
        plan: that is to run.
        task: on which.
        bounds: of the plan's space.
        unit: of the ceiling.

    Returns:
        Tokens; None where they fit with the caps that the plan has, or where nobody can foresee its calls; 0 where they
        do not even with 8 tokens.
    """
    if bounds.of(plan, task).unbounded:
        return None

    def fits(tokens: int | None) -> bool:
        bound = bounds.of(plan, task, tokens)
        return in_unit(bound.call, unit) + in_unit(bound.allowance, unit) <= ceiling

    if fits(None):
        return None
    if not fits(_LEAST):
        return 0
    most = _LEAST
    while fits(2 * most):
        most *= 2
    return bisect_left(range(2 * most), True, lo=most, key=lambda tokens: not fits(tokens)) - 1
