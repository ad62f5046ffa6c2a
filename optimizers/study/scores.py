"""A series of outcomes as a score with its intervals."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..bootstrap import mean_interval, resample_weights
from .plan_report import Score

__all__ = ["score_of"]

_DRAWS = 2000


def score_of(
    scores: Floats,
    costs: Floats,
    lost: Floats,
    *,
    coverage: float,
    seed: int,
    usd: float | None = None,
    unscored: int = 0,
) -> Score:
    """A score on one part of the dev set.

    Args:
        scores: per task; a failure scores 0.
        costs: charged per task, in the unit of the cap.
        lost: lost per task, likewise.
        coverage: the share of tasks with an answer.
        seed: of the intervals.
        usd: charged per task in dollars; None where there are no prices.
        unscored: how many answers a judge gave no verdict on.
    """
    interval = mean_interval(scores, draws=_DRAWS, seed=seed)
    weights = resample_weights(len(scores), _DRAWS, seed)
    return Score(
        tasks=len(scores),
        score=interval.mean,
        low=interval.low,
        high=interval.high,
        coverage=coverage,
        cost=float(costs.mean()),
        cost_high=float(np.quantile(weights @ (costs + lost), 0.95)),
        lost=float(lost.mean()),
        usd=usd,
        unscored=unscored,
    )
