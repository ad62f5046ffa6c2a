"""What all policies share in spending: the margin that they keep, the least they can do, and how they write it down."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats, Ints
from ..tables.table import UNANSWERED
from .base import Assignment

__all__ = ["assigned", "cheapest", "planning_costs", "taken"]


def planning_costs(costs: Floats, high: Floats) -> Floats:
    """What to plan with, so that the real sum stays within the budget about 19 times in 20.

    The 95 % quantile of a sum of n independent costs lies above the sum of their means by the root of the sum of the
    squared distances between quantile and mean. Spread evenly, each cost bears its own distance over the root of n:
    for one question that is its quantile, for thousands next to nothing.

    Args:
        costs: (questions, arms), predicted means.
        high: (questions, arms), predicted 95 % quantiles.
    """
    if not len(costs):
        return costs
    return np.asarray(costs + np.maximum(high - costs, 0.0) / np.sqrt(len(costs)))


def cheapest(costs: Floats) -> Ints:
    """(questions,): what everybody gets where nothing else can be paid for."""
    return np.asarray(np.argmin(costs, axis=1), np.intp)


def assigned(chosen: Ints, costs: Floats, high: Floats) -> Assignment:
    """The assignment of the arms chosen; who abstains costs nothing."""
    everyone, answered = np.arange(len(chosen)), chosen != UNANSWERED
    return Assignment(
        chosen,
        np.where(answered, costs[everyone, chosen], 0.0),
        np.where(answered, np.maximum(high, costs)[everyone, chosen], 0.0),
    )


def taken(values: Floats, chosen: Ints) -> Floats:
    """(questions,): of (questions, arms), for each question that of the arm that was chosen; 0 where none was."""
    return np.where(chosen == UNANSWERED, 0.0, values[np.arange(len(chosen)), chosen])
