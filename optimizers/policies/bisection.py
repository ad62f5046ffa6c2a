"""Turning a method's own dial up to what a budget allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Floats, Ints

__all__ = ["turned"]

_HALVINGS = 40


def turned(at: Callable[[float], Ints], costs: Floats, budget: float, top: float) -> Ints | None:
    """What is chosen with the dial as far up as the budget allows.

    Args:
        at: from a position of the dial, 0 or more, to the arms chosen; they cost more the higher it is.
        costs: (questions, arms): what to plan with.
        budget: for all questions together.
        top: how far the dial goes.

    Returns:
        (questions,): the arms; None where the budget does not suffice with the dial at 0.
    """
    everyone = np.arange(len(costs))

    def fits(chosen: Ints) -> bool:
        return float(costs[everyone, chosen].sum()) <= budget

    low, high, found = 0.0, top, at(0.0)
    if fits(at(top)):
        return at(top)
    if not fits(found):
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        chosen = at(middle)
        if fits(chosen):
            low, found = middle, chosen
        else:
            high = middle
    return found
