"""Intervals, p-values and equivalence from bootstrap draws, and what a comparison of a given size can show at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from apportion.optimizers.arrays import Floats
from apportion.optimizers.bootstrap import Interval

__all__ = ["bca_interval", "equivalence_p", "holm", "minimal_detectable_effect", "one_sided_p"]

_FLAT = 1e-15
"""Draws that differ by less than this are one value with rounding errors."""


def bca_interval(draws: Floats, jackknife: Floats, estimate: float, *, level: float = 0.95) -> Interval:
    """The two-sided interval that corrects for bias and skewness, BCa (Efron 1987).

    Args:
        draws: (draws,): the statistic on resampled data.
        jackknife: (observations,): the statistic with each observation left out.
        estimate: the statistic on the data.
        level: of confidence.
    """
    draws = np.asarray(draws, np.float64)
    if not len(draws):
        raise ValueError("an interval needs at least one draw")
    if np.ptp(draws) <= _FLAT:
        return Interval(estimate, float(draws.min()), float(draws.max()))
    from scipy.special import ndtr, ndtri

    bias, acceleration = _bias(draws, estimate), _acceleration(jackknife)
    tails = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(draws, ndtr(bias + tails / (1 - acceleration * tails)))
    return Interval(estimate, float(low), float(high))


def one_sided_p(draws: Floats, jackknife: Floats, estimate: float, *, above: float = 0.0) -> float:
    """The p-value of the null hypothesis that the statistic is not above a value: where the BCa lower bound meets it.

    It is never below 1 / (draws + 1), because fewer draws cannot show more.

    Args:
        draws: (draws,): the statistic on resampled data.
        jackknife: (observations,): the statistic with each observation left out.
        estimate: the statistic on the data.
        above: the value; a margin below 0 makes it a test of non-inferiority.
    """
    draws = np.asarray(draws, np.float64)
    least = 1 / (len(draws) + 1)
    if np.ptp(draws) <= _FLAT:
        return least if estimate > above + _FLAT else 1.0
    from scipy.special import ndtr, ndtri

    share = (np.sum(draws < above) + 0.5 * np.sum(draws == above) + 0.5) / (len(draws) + 1)
    bias, acceleration = _bias(draws, estimate), _acceleration(jackknife)
    distance = float(ndtri(share)) - bias
    # Beyond -1 / acceleration the correction turns round; there the null is as far off as it can be.
    stretched = 1 + acceleration * distance
    found = float(ndtr(distance / stretched - bias)) if stretched > 0 else float(distance > 0)
    return min(1.0, max(least, found))


def equivalence_p(draws: Floats, jackknife: Floats, estimate: float, margin: float) -> float:
    """The p-value of two one-sided tests that the statistic lies within a margin of 0 (Schuirmann 1987).

    Args:
        draws: (draws,): the statistic on resampled data.
        jackknife: (observations,): the statistic with each observation left out.
        estimate: the statistic on the data.
        margin: above 0.
    """
    if not margin > 0:
        raise ValueError(f"a margin must be above 0, got {margin}")
    below = one_sided_p(-np.asarray(draws), -np.asarray(jackknife), -estimate, above=-margin)
    return max(one_sided_p(draws, jackknife, estimate, above=-margin), below)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values, adjusted for how many they are (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, number in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = largest
    return tuple(adjusted)


def minimal_detectable_effect(deviation: float, count: int, *, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true mean that a two-sided test of a level finds with a power.

    Args:
        deviation: the standard deviation of one observation.
        count: how many observations are averaged.
        level: the chance of finding what is not there.
        power: the chance of finding what is there.
    """
    if count < 1:
        raise ValueError("there is no effect to detect without observations")
    from scipy.special import ndtri

    return float((ndtri(1 - level / 2) + ndtri(power)) * deviation / math.sqrt(count))


def _bias(draws: Floats, estimate: float) -> float:
    """How far the estimate lies from the median of the draws, as a normal deviate."""
    from scipy.special import ndtri

    share = (np.sum(draws < estimate) + 0.5 * np.sum(draws == estimate)) / len(draws)
    edge = 0.5 / len(draws)
    return float(ndtri(np.clip(share, edge, 1 - edge)))


def _acceleration(jackknife: Floats) -> float:
    """A sixth of the skewness of the leave-one-out values, turned round."""
    gaps = np.mean(jackknife) - np.asarray(jackknife, np.float64)
    squares = float(np.square(gaps).sum())
    return float(np.power(gaps, 3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
