"""Who gets which arm under one budget: the multiple-choice knapsack problem.

Every question takes exactly one arm, which has a value and a cost; the sum of values is to be as high as possible while
the sum of costs stays within a budget. The relaxation in which a question may take a mixture of arms is solved exactly
by going up each question's upper concave hull in the order of value gained per cost (Sinha and Zoltners 1979); at most
one question is then split. Leaving that one where it was, and spending what remains on steps that still fit, loses at
most the gain of one step against the best assignment.

Values may be -inf where a question does not admit an arm. Where `unanswered` is given, a question may also take no arm,
for no value and at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from .table import UNANSWERED

__all__ = ["allocate", "price_for", "upper_bound"]

_BLOCK = 2048
"""Questions whose hulls are walked together: few enough for the caches, many enough to hide the cost of a call."""


def allocate(values: Floats, costs: Floats, budget: float, *, unanswered: bool = False) -> Ints:
    """Gives every question an arm so that the values are high in total and the costs stay within the budget.

    Args:
        values: (questions, arms).
        costs: (questions, arms), in the unit of the budget.
        budget: for all questions together.
        unanswered: whether a question may go without an arm.

    Returns:
        (questions,): numbers of arms, or `UNANSWERED`. `costs` at these sum to no more than the budget, unless even the
        cheapest arm for every question costs more: then those are returned. Equal inputs give equal outputs; of two
        steps that gain equally for their cost, the earlier question goes first.
    """
    hull = _hull(values, costs, unanswered)
    taken = hull.affordable(budget)
    chosen = hull.after(taken)
    left = budget - _total(costs, chosen)
    while left < 0 and taken:  # sums in another order differ in the last digits
        taken -= 1
        chosen = hull.after(taken)
        left = budget - _total(costs, chosen)
    if left > 0:
        chosen = _climb(hull, taken, chosen, left)
        chosen = _fill(values, costs, chosen, budget)
    return chosen


def price_for(values: Floats, costs: Floats, budget: float) -> float:
    """The smallest price, in value per cost, at which the budget is kept by the arms of highest value - price x cost.

    Returns:
        0 where the budget is enough for all; inf where it is not enough for the cheapest arm of every question.
    """
    hull = _hull(values, costs, unanswered=False)
    taken = hull.affordable(budget)
    if taken == len(hull.slopes):
        return 0.0 if hull.start_cost <= budget else np.inf
    if hull.start_cost > budget:
        return np.inf
    return float(hull.slopes[taken])


def upper_bound(values: Floats, costs: Floats, budget: float, *, unanswered: bool = False) -> float:
    """What the values can sum to at most within the budget: the optimum of the linear relaxation.

    Where the budget is not enough for the cheapest arm of every question, the value of those.
    """
    hull = _hull(values, costs, unanswered)
    taken = hull.affordable(budget)
    total = hull.start_value + float(hull.gains[:taken].sum())
    left = budget - hull.start_cost - float(hull.costs[:taken].sum())
    if taken < len(hull.slopes) and left > 0:
        total += min(1.0, left / float(hull.costs[taken])) * float(hull.gains[taken])
    return total


@dataclass(frozen=True, slots=True, eq=False)
class _Hull:
    """The upper concave hulls of all questions, as steps in the order in which a falling price takes them."""

    start: Ints
    """(questions,): the cheapest arm of each, the best of those."""
    start_cost: float
    start_value: float
    questions: Ints
    """(steps,): whose step it is."""
    arms: Ints
    """(steps,): the arm that it leads to."""
    slopes: Floats
    """(steps,), falling: value gained per cost."""
    costs: Floats
    """(steps,): what it costs more than the arm before it on the hull."""
    gains: Floats
    """(steps,)."""

    def affordable(self, budget: float) -> int:
        """How many of the first steps fit together."""
        if np.isnan(budget):
            raise ValueError("a budget must be a number")
        return int(np.searchsorted(self.start_cost + np.cumsum(self.costs), budget, side="right"))

    def after(self, taken: int) -> Ints:
        """(questions,): the arms when the first `taken` steps are made."""
        chosen = self.start.copy()
        # Assignment in order: a later step of the same question overwrites an earlier one.
        chosen[self.questions[:taken]] = self.arms[:taken]
        return chosen


def _hull(values: Floats, costs: Floats, unanswered: bool) -> _Hull:
    """The steps of all hulls."""
    values, costs = np.asarray(values, np.float64), np.asarray(costs, np.float64)
    if values.ndim != 2 or values.shape != costs.shape:
        raise ValueError(f"values and costs must be of one shape (questions, arms), got {values.shape}, {costs.shape}")
    if np.isnan(values).any() or np.isposinf(values).any() or not np.isfinite(costs).all():
        raise ValueError("values must be finite or -inf, and costs finite")
    parts = [
        _walk(values[begin : begin + _BLOCK], costs[begin : begin + _BLOCK], unanswered, begin)
        for begin in range(0, len(values), _BLOCK)
    ] or [_walk(values, costs, unanswered, 0)]
    start, firsts, questions, arms, slopes, steps, gains = (
        np.concatenate([part[field] for part in parts]) for field in range(7)
    )
    order = np.argsort(-slopes, kind="stable")
    return _Hull(
        start.astype(np.intp),
        float(firsts[:, 0].sum()),
        float(firsts[:, 1].sum()),
        questions[order].astype(np.intp),
        arms[order].astype(np.intp),
        slopes[order],
        steps[order],
        gains[order],
    )


def _walk(values: Floats, costs: Floats, unanswered: bool, offset: int) -> tuple[NDArray[np.generic], ...]:
    """Gift wrapping (Jarvis 1973) from the cheapest point to the best, for all questions of a block at once."""
    rows, arms = values.shape
    if unanswered:
        values = np.column_stack([values, np.zeros(rows)])
        costs = np.column_stack([costs, np.zeros(rows)])
    everyone = np.arange(rows)
    start = _cheapest(values, costs, offset)
    cost, value = costs[everyone, start], values[everyone, start]
    firsts = np.column_stack([cost, value])
    active, last = everyone, np.full(rows, np.inf)
    found: list[tuple[Ints, Ints, Floats, Floats, Floats]] = []
    while len(active):
        dearer = costs - cost[:, None]
        gain = values - value[:, None]
        slopes = np.full_like(gain, -np.inf)
        with np.errstate(over="ignore"):
            np.divide(gain, dearer, out=slopes, where=(dearer > 0) & (gain > 0))
        best = slopes.max(axis=1)
        # Rounding must not let a slope rise along a hull, or the order of steps would break.
        slope = np.minimum(best, last)
        going = slope > 0
        if not going.all():
            values, costs, slopes = values[going], costs[going], slopes[going]
            cost, value, best, slope, active = cost[going], value[going], best[going], slope[going], active[going]
            if not len(active):
                break
        there = np.argmin(np.where(slopes == best[:, None], costs, np.inf), axis=1)
        here = np.arange(len(active))
        step, gained = costs[here, there] - cost, values[here, there] - value
        found.append((active, there, slope, step, gained))
        cost, value, last = costs[here, there], values[here, there], slope
    start = np.where(start == arms, UNANSWERED, start)
    if not found:
        none = np.empty(0)
        return start, firsts, none.astype(np.intp), none.astype(np.intp), none, none, none
    questions, targets, slope, step, gained = (np.concatenate([part[field] for part in found]) for field in range(5))
    order = np.argsort(questions, kind="stable")
    return start, firsts, questions[order] + offset, targets[order], slope[order], step[order], gained[order]


def _cheapest(values: Floats, costs: Floats, offset: int) -> Ints:
    """The cheapest admitted arm of every question, of several the best, of several the first."""
    allowed = values > -np.inf
    if not allowed.any(axis=1).all():
        number = offset + int(np.argmin(allowed.any(axis=1)))
        raise ValueError(f"question {number} admits no arm, and may not be left unanswered")
    admitted = np.where(allowed, costs, np.inf)
    cheapest = admitted == admitted.min(axis=1, keepdims=True)
    return np.asarray(np.argmax(np.where(cheapest, values, -np.inf), axis=1), np.intp)


def _climb(hull: _Hull, taken: int, chosen: Ints, left: float) -> Ints:
    """Makes the further steps that still fit, in their order, each after all earlier ones of its question."""
    questions, arms, costs = hull.questions[taken:], hull.arms[taken:], hull.costs[taken:]
    chosen = chosen.copy()
    while len(costs):
        stuck = costs > left
        first_stuck = np.full(len(chosen), len(costs))
        np.minimum.at(first_stuck, questions[stuck], np.flatnonzero(stuck))
        fits = np.arange(len(costs)) < first_stuck[questions]
        questions, arms, costs = questions[fits], arms[fits], costs[fits]
        sums = np.cumsum(costs)
        count = int(np.searchsorted(sums, left, side="right"))
        if count == 0:
            break
        chosen[questions[:count]] = arms[:count]
        left -= float(sums[count - 1])
        questions, arms, costs = questions[count:], arms[count:], costs[count:]
    return chosen


def _fill(values: Floats, costs: Floats, chosen: Ints, budget: float) -> Ints:
    """Moves questions to better arms, on their hulls or not, while one fits into what is left; greatest gain first."""
    chosen = chosen.copy()
    active = np.arange(len(chosen))
    left = budget - _total(costs, chosen)
    while left > 0 and len(active):
        now = chosen[active]
        cost = np.where(now == UNANSWERED, 0.0, costs[active, now])
        value = np.where(now == UNANSWERED, 0.0, values[active, now])
        gains = np.where(costs[active] - cost[:, None] <= left, values[active] - value[:, None], 0.0)
        best = np.argmax(gains, axis=1)
        gain = gains[np.arange(len(active)), best]
        better = gain > 0
        active, best, gain, cost = active[better], best[better], gain[better], cost[better]
        order = np.argsort(-gain, kind="stable")
        fit = np.cumsum(costs[active[order], best[order]] - cost[order]) <= left
        moved = order[: int(np.argmin(np.append(fit, False)))]
        tried = chosen.copy()
        tried[active[moved]] = best[moved]
        left = budget - _total(costs, tried)
        if left < 0:  # by rounding alone
            break
        chosen = tried
    return chosen


def _total(costs: Floats, chosen: Ints) -> float:
    taken = np.flatnonzero(chosen != UNANSWERED)
    return float(costs[taken, chosen[taken]].sum())
