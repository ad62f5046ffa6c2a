"""The frontier of score over cost: what nothing else beats in both, and what mixing it at random can reach."""

from __future__ import annotations

import numpy as np

from ..errors import UsageError
from .arrays import Floats, Ints

__all__ = ["hull", "thinned", "undominated"]


def undominated(costs: Floats, scores: Floats) -> Ints:
    """The numbers of the points that no other beats in score without costing more, cheapest first; of equals the first.

    Args:
        costs: (points,).
        scores: (points,).
    """
    order = np.lexsort((-scores, costs))
    before = np.maximum.accumulate(np.append(-np.inf, scores[order][:-1]))
    return np.asarray(order[scores[order] > before], np.intp)


def thinned(points: Ints, most: int) -> Ints:
    """At most so many of the points: the first, the last, and others evenly between."""
    kept = np.unique(np.linspace(0, len(points) - 1, min(most, len(points))).round().astype(np.intp))
    return np.asarray(points[kept], np.intp)


def hull(costs: Floats, scores: Floats) -> Ints:
    """The corners of the non-decreasing upper concave hull of points: what mixing them at random can reach.

    Args:
        costs: (points,).
        scores: (points,).

    Returns:
        The numbers of the points at the corners; costs and scores both rise along them.

    Raises:
        UsageError: there is no point, or a point without a cost or a score.
    """
    costs, scores = np.asarray(costs, np.float64), np.asarray(scores, np.float64)
    if not len(costs) or len(costs) != len(scores):
        raise UsageError("a hull needs a cost and a score of every point, and one point")
    corners: list[int] = []
    for point in undominated(costs, scores).tolist():
        while len(corners) > 1 and _below(costs, scores, corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return np.array(corners, np.intp)


def _below(costs: Floats, scores: Floats, left: int, middle: int, right: int) -> bool:
    """Whether the middle point is not above the line from left to right."""
    return bool(
        (scores[middle] - scores[left]) * (costs[right] - costs[left])
        <= (scores[right] - scores[left]) * (costs[middle] - costs[left])
    )
