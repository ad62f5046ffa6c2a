"""What the measured plans tell of the others: a Gaussian process over settings and edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Belief", "believe", "normal"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_OWN = 0.04
"""Standard deviation of what is particular to one plan, in units of score."""
_NOISE = 0.3
"""Variance of a difference between two plans on one task, before anything was seen of it."""
_NOISE_TASKS = 3
"""How many tasks that assumption weighs."""
_USUAL = 0.2
"""Standard deviation of how far the usual plan is from the leader."""
_JITTER = 1e-5


@dataclass(frozen=True, slots=True)
class Belief:
    """Means and standard deviations of how much better plans are than the leader."""

    means: Floats
    deviations: Floats

    def expected_improvement(self) -> Floats:
        """The expected gain over the leader, where it is replaced only by better plans (Jones et al. 1998)."""
        ahead = self.means / self.deviations
        bell = np.exp(-(ahead**2) / 2) / np.sqrt(2 * np.pi)
        return np.asarray(self.means * normal(ahead) + self.deviations * bell)


def believe(
    features: Floats, differences: Floats, seen: Ints, leader: int, wanted: Floats, same: Ints, tasks: int
) -> Belief:
    """Believes what the differences to the leader suggest, of plans that were measured and of others.

    The prior of a plan's worth is a sum over its features (a linear kernel) and something of its own. All plans meet
    the same tasks in the same order, so what plans have in common errs alike: the noise of two means is correlated as
    their differences are, and the tasks that nobody has met yet are what makes it; on all tasks there is none.

    Args:
        features: (measured, features), scaled by the prior deviation of each.
        differences: (measured, tasks), utility minus the leader's, 0 on tasks not met.
        seen: (measured,), how many tasks each has met, from the first.
        leader: the leader's place among the measured.
        wanted: (wanted, features), of the plans that are asked about.
        same: (wanted,), the place of each among the measured; -1 for plans that were not measured.
        tasks: how many there are.
    """
    prior = features @ features.T
    prior[np.diag_indices_from(prior)] += _OWN**2
    covariance = prior + _noise(prior, differences, seen, leader, tasks)
    values, vectors = np.linalg.eigh(covariance)
    inverse = (vectors / np.maximum(values, _JITTER)) @ vectors.T
    means = differences.sum(axis=1) / seen
    weight = inverse.sum(axis=0)
    usual = float(weight @ means / (weight.sum() + 1 / _USUAL**2))
    shared = wanted @ features.T
    known = np.flatnonzero(same >= 0)
    shared[known, same[known]] += _OWN**2
    spread = (wanted**2).sum(axis=1) + _OWN**2 - ((shared @ inverse) * shared).sum(axis=1)
    return Belief(usual + shared @ (inverse @ (means - usual)), np.sqrt(np.maximum(spread, 1e-8)))


def _noise(prior: Floats, differences: Floats, seen: Ints, leader: int, tasks: int) -> Floats:
    """Covariances of the means' errors: as the differences vary together, as the prior where little was seen."""
    scale = np.sqrt(np.diag(prior))
    alike = prior / np.outer(scale, scale)
    fewer, more = np.minimum.outer(seen, seen), np.maximum.outer(seen, seen)
    together = (differences @ differences.T + _NOISE_TASKS * _NOISE * alike) / (fewer + _NOISE_TASKS)
    noise = together / more * (1 - more / tasks)
    noise[leader, :] = noise[:, leader] = 0.0
    noise[np.diag_indices_from(noise)] += _JITTER
    return np.asarray(noise)


def normal(values: Floats) -> Floats:
    """The standard normal distribution function."""
    from scipy.special import ndtr  # here, because a command that does not search should not wait for its import

    return np.asarray(ndtr(values))
