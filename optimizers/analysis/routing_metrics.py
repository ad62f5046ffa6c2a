"""What is reported of routers: how much of the gap between two arms they close, and at what share of calls or cost.

PGR, APGR and CPT are those of RouteLLM (Ong et al. 2024), AIQ that of RouterBench (Hu et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import UsageError
from ..arrays import Floats
from ..frontier import hull

__all__ = ["RoutingCurve", "aiq", "apgr", "cpt", "pgr", "routing_curve"]


@dataclass(frozen=True, slots=True, eq=False)
class RoutingCurve:
    """The mean score of a router between two arms, by the share of questions that it sends to the strong one."""

    shares: Floats
    """(points,), rising from 0, all to the weak arm, to 1, all to the strong one."""
    scores: Floats
    """(points,)."""


def routing_curve(strength: Floats, weak: Floats, strong: Floats) -> RoutingCurve:
    """The curve of a router that sends the questions with the highest `strength` to the strong arm first.

    Questions of equal strength are sent together: between two points of the curve lie routers that draw some of those
    at random.

    Args:
        strength: (questions,): how much the router would like the strong arm for each.
        weak: (questions,): what the weak arm scored.
        strong: (questions,): what the strong arm scored.
    """
    if not len(strength) or not len(strength) == len(weak) == len(strong):
        raise UsageError("a routing curve needs the strength and both scores of every question, and one question")
    order = np.argsort(-np.asarray(strength, np.float64), kind="stable")
    falling = np.asarray(strength, np.float64)[order]
    sums = float(np.sum(weak)) + np.append(0.0, np.cumsum((np.asarray(strong, np.float64) - weak)[order]))
    whole = np.append(True, np.append(falling[1:] != falling[:-1], True))
    return RoutingCurve(np.flatnonzero(whole) / len(order), sums[whole] / len(order))


def pgr(score: Floats | float, weak: float, strong: float) -> Floats:
    """Performance gap recovered: 0 at the weak arm's score, 1 at the strong one's.

    Raises:
        UsageError: both score the same, so there is no gap.
    """
    if weak == strong:
        raise UsageError(f"both arms score {weak:g}; there is no gap to recover")
    return (np.asarray(score, np.float64) - weak) / (strong - weak)


def apgr(curve: RoutingCurve, intervals: int | None = None) -> float:
    """The mean of PGR over all shares: 0.5 for drawing at random; it can exceed 1 where the arms complement each other.

    Args:
        curve: of the router.
        intervals: between how many even shares the curve is taken to be straight; 10 gives RouteLLM's figure. The
            curve itself where left out.
    """
    recovered, shares = _recovered(curve), curve.shares
    if intervals is not None:
        shares = np.linspace(0, 1, intervals + 1)
        recovered = np.interp(shares, curve.shares, recovered)
    return float(np.trapezoid(recovered, shares))


def cpt(curve: RoutingCurve, target: float) -> float | None:
    """Call-performance threshold: the smallest share of strong calls at which PGR has reached `target`.

    The first crossing counts, whatever the curve does later; between two points it is a straight line.

    Returns:
        None where the curve never gets there, which can only be for targets above 1.
    """
    recovered = _recovered(curve)
    reached = np.flatnonzero(recovered >= target)
    if not len(reached):
        return None
    after = int(reached[0])
    if after == 0:
        return float(curve.shares[0])
    part = (target - recovered[after - 1]) / (recovered[after] - recovered[after - 1])
    return float(curve.shares[after - 1] + part * (curve.shares[after] - curve.shares[after - 1]))


def aiq(costs: Floats, scores: Floats, low: float, high: float) -> float:
    """Average improvement in quality: the mean height of the points' hull between two costs.

    Routers are comparable over one range of costs only; take the range that all of them cover. Beyond the last corner
    the hull is flat.

    Args:
        costs: (points,): what the router costs at each setting of its dial.
        scores: (points,).
        low: where the range begins, not below the cheapest point.
        high: where it ends.
    """
    corners = hull(costs, scores)
    costs, scores = np.asarray(costs, np.float64)[corners], np.asarray(scores, np.float64)[corners]
    if not low < high:
        raise UsageError(f"a range of costs needs two ends, the lower first; got {low:g} and {high:g}")
    if low < costs[0]:
        raise UsageError(f"the cheapest point costs {costs[0]:g}; a range from {low:g} begins below it")
    at = np.concatenate([[low], costs[(costs > low) & (costs < high)], [high]])
    return float(np.trapezoid(np.interp(at, costs, scores), at) / (high - low))


def _recovered(curve: RoutingCurve) -> Floats:
    return pgr(curve.scores, float(curve.scores[0]), float(curve.scores[-1]))
