"""How sure a mean is: resampled intervals, and standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .arrays import Floats

__all__ = ["Interval", "mean_interval", "resample_weights", "standard_error", "within_one_error"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its two-sided 95 % percentile interval."""

    mean: float
    low: float
    high: float


@lru_cache(maxsize=16)
def resample_weights(count: int, draws: int, seed: int) -> Floats:
    """Bootstrap weights, one row a draw (Efron 1979): how often each of `count` tasks was drawn, over `count`.

    The same weights are used for all plans, so that every comparison is paired.

    Returns:
        An array of shape (draws, count) whose rows sum to one; read-only, because it is kept for the next caller.
    """
    generator = np.random.default_rng([seed, count, draws])
    weights = generator.multinomial(count, np.full(count, 1.0 / count), size=draws) / count
    weights.flags.writeable = False
    return weights


def mean_interval(values: Floats, *, draws: int = 2000, seed: int = 0) -> Interval:
    """The mean of per-task values with its percentile bootstrap interval."""
    if len(values) == 0:
        raise ValueError("no values to average")
    means = resample_weights(len(values), draws, seed) @ values
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(np.mean(values)), float(low), float(high))


def standard_error(values: Floats) -> float:
    """Of the mean of per-task values; 0 where a single task says nothing of it."""
    return float(values.std(ddof=1)) / float(np.sqrt(len(values))) if len(values) > 1 else 0.0


def within_one_error(behind: Floats) -> bool:
    """Whether paired differences to the best are within one standard error of none (Breiman et al. 1984).

    What is chosen by this rule is the simplest that cannot be told from the best.
    """
    return float(behind.mean()) <= standard_error(behind)
