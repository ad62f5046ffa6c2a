"""Routing between two arms by a threshold on one number a question."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats, Ints
from ..tables.knapsack import price_for
from .view import View

__all__ = ["promising_pairs", "route_pair"]

_SHARE = 0.7
"""Of what is foreseen: the best of many pairs by forecasts as they are would be the luckiest."""
_EACH = 3
"""Pairs for every price."""


def promising_pairs(view: View, budgets: Floats) -> list[tuple[int, int]]:
    """The pairs (smaller, larger) that would be worth most if every question got the better one of the two.

    Args:
        view: questions with forecasts.
        budgets: per question; a pair may be the best one at any of the prices that belong to them.
    """
    scores, costs = view.scores(_SHARE), view.planning
    means = costs.mean(axis=0)
    arms = len(means)
    found = [price_for(scores, costs, float(budget) * len(costs)) for budget in budgets]
    pairs: dict[tuple[int, int], None] = {}
    for price in sorted({price for price in found if np.isfinite(price)}):
        utility = scores - price * costs
        worth = np.array([np.maximum(utility[:, [arm]], utility).mean(axis=0) for arm in range(arms)])
        first, second = np.triu_indices(arms, 1)
        best = np.argsort(-worth[first, second], kind="stable")[:_EACH]
        pairs |= dict.fromkeys(
            (int(i), int(j)) if means[i] <= means[j] else (int(j), int(i))
            for i, j in zip(first[best], second[best], strict=True)
        )
    return list(pairs) or [(0, 0)]


def route_pair(view: View, pair: tuple[int, int], need: Floats, least: float, budget: float) -> Ints | None:
    """Sends the questions that need it most to the larger arm, as many as the budget allows.

    Args:
        view: the questions.
        pair: the numbers of the smaller and the larger arm.
        need: (questions,): the router's score; the threshold on it is what the budget decides.
        least: no question that needs it less goes to the larger arm, whatever the budget.
        budget: for all questions together.

    Returns:
        (questions,): the arms; None where the budget does not suffice for the smaller arm.
    """
    small, large = pair
    left = budget - float(view.planning[:, small].sum())
    if left < 0:
        return None
    order = np.argsort(-need, kind="stable")
    extra = np.cumsum((view.planning[:, large] - view.planning[:, small])[order])
    fits = np.flatnonzero((extra <= left) & (need[order] >= least))
    chosen = np.full(len(need), small, np.intp)
    chosen[order[: fits[-1] + 1 if len(fits) else 0]] = large
    return chosen
