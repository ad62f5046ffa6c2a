"""How far a judge can be relied on: its agreement with itself and with gold answers, and what moves it that should not.

Zheng et al. 2023 (MT-Bench) describe the position bias and the verbosity bias of judges, and how to hold them against
people; Li et al. 2025 find that marks depend on the order in which a scale is told.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import default_rng
from scipy.stats import rankdata

from ..arrays import Floats
from ..bootstrap import Interval, mean_interval
from ..finding import Finding

__all__ = ["Agreement", "GoldAgreement", "Shift", "agreement", "gold_agreement", "rank_correlation", "shift_of"]

_DRAWS = 1000
_FEWEST = 8
"""Pairs; a correlation of fewer says nothing."""
_RIGHT = 0.5
"""The score by the metric of gold answers from which on an answer counts as right."""


class Agreement(Finding):
    """Two verdicts on each of some answers."""

    answers: int
    correlation: Interval | None
    """Of ranks, see `rank_correlation`; None where it is not defined."""
    difference: Interval
    """How far the two are apart, mean absolute difference as a share of the scale."""


class GoldAgreement(Finding):
    """Verdicts on answers beside what the metric of the gold answers says of them."""

    metric: str
    answers: int
    """Different answers to tasks with gold."""
    right: int
    """Of these, as the metric says: a score of at least 0.5."""
    correlation: Interval | None
    """Of ranks, see `rank_correlation`; None where it is not defined, as where all are right, or none."""
    score_right: float | None
    """What the judge gives those on average; None where there are none."""
    score_wrong: float | None
    """What it gives the others."""


class Shift(Finding):
    """The same answers graded again under a control, in pairs."""

    control: Literal["position", "length"]
    """position: the scale is told from its best mark down. length: the answer is padded to more than twice its length
    with sentences that say nothing."""
    answers: int
    """Pairs that could be compared."""
    unread: int
    """Verdicts under the control that could not be read, or did not come."""
    shift: Interval | None
    """The score under the control less the score without, as a share of the scale; None without a pair."""


def agreement(first: Floats, second: Floats, *, seed: int = 0) -> Agreement | None:
    """How far two series of scores of the same answers agree; None without an answer."""
    if not len(first):
        return None
    return Agreement(
        answers=len(first),
        correlation=rank_correlation(first, second, seed=seed),
        difference=mean_interval(np.abs(first - second), seed=seed),
    )


def gold_agreement(metric: str, judged: Floats, graded: Floats, *, seed: int = 0) -> GoldAgreement | None:
    """How far a judge's scores agree with a metric's; None without an answer.

    Args:
        metric: its name.
        judged: by the judge, per answer.
        graded: by the metric.
        seed: of the interval.
    """
    if not len(judged):
        return None
    right = graded >= _RIGHT
    return GoldAgreement(
        metric=metric,
        answers=len(judged),
        right=int(right.sum()),
        correlation=rank_correlation(judged, graded, seed=seed),
        score_right=float(judged[right].mean()) if right.any() else None,
        score_wrong=float(judged[~right].mean()) if not right.all() else None,
    )


def shift_of(
    control: Literal["position", "length"], before: Floats, after: Floats, *, unread: int, seed: int = 0
) -> Shift:
    """How far a control moves scores, paired by answer.

    Args:
        control: what was changed.
        before: scores without it.
        after: with it.
        unread: how many verdicts under it are missing.
        seed: of the interval.
    """
    shift = mean_interval(after - before, seed=seed) if len(before) else None
    return Shift(control=control, answers=len(before), unread=unread, shift=shift)


def rank_correlation(first: Floats, second: Floats, *, seed: int = 0) -> Interval | None:
    """Spearman's correlation of ranks (1904), ties at their mean rank, with a 95 % bootstrap interval over pairs.

    Returns:
        None for fewer than 8 pairs, or where all of one series are equal.
    """
    if len(first) < _FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    drawn = default_rng([seed, len(first)]).integers(0, len(first), (_DRAWS, len(first)))
    found = _correlations(first[drawn], second[drawn])
    low, high = np.nanquantile(found, [0.025, 0.975])
    return Interval(float(_correlations(first[None], second[None])[0]), float(low), float(high))


def _correlations(first: Floats, second: Floats) -> Floats:
    """(rows,): of the ranks in each row; NaN where all in a row are equal."""
    one, two = (rankdata(values, axis=1) for values in (first, second))
    one, two = one - one.mean(axis=1, keepdims=True), two - two.mean(axis=1, keepdims=True)
    scale = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return np.asarray(np.divide((one * two).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0))
