"""Routing between two arms by a threshold on one number a question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .view import View

__all__ = ["pairs_of", "route_pair"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def pairs_of(ladder: Ints) -> list[tuple[int, int]]:
    """All pairs (smaller, larger) of a ladder of arms in the order of cost."""
    return [(int(small), int(large)) for i, small in enumerate(ladder) for large in ladder[i + 1 :]]


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
