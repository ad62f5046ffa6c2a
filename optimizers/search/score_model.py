"""What the measured plans tell of the others: effects of settings and edges, by task and family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints

__all__ = ["ScoreModel", "believe", "normal"]

_BY_FAMILY = 1.0
"""How much the effects differ between families, in units of their prior deviation over all tasks."""
_BY_TASK = 2.0
"""How much they differ between the tasks of one family."""
_NOISE = 0.06
"""Variance of a score on one task around what the effects say."""
_OWN = 0.04
"""Standard deviation of what is particular to one plan, in units of score."""


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """A normal belief about the mean score of plans over all tasks."""

    features: Floats
    """(plans, features), scaled by the prior deviation of each."""
    means: Floats
    """(plans,)."""
    covariance: Floats
    """(features, features), of the effects' mean over all tasks."""
    unmet: Floats
    """(plans,), the share of the tasks that each has not met."""
    own: Floats
    """(plans,), the variance of what is particular to each."""

    def expected_improvement(self, leader: int, dearer: Floats) -> Floats:
        """The expected gain over a leader that is replaced only by better plans (Jones et al. 1998).

        Args:
            leader: the number of the plan.
            dearer: (plans,), what each costs more than the leader, in units of score.
        """
        apart = self.features - self.features[leader]
        open_ = np.maximum(self.unmet, self.unmet[leader])
        spread = open_ * ((apart @ self.covariance) * apart).sum(axis=1) + self.own + self.own[leader]
        deviations = np.sqrt(np.maximum(spread, 1e-8))
        means = self.means - self.means[leader] - dearer
        ahead = means / deviations
        bell = np.exp(-(ahead**2) / 2) / np.sqrt(2 * np.pi)
        return np.asarray(means * normal(ahead) + deviations * bell)


def believe(features: Floats, scores: Floats, seen: Ints, families: Ints) -> ScoreModel:
    """Believes what the scores so far suggest, of plans that were measured and of others.

    A score is a sum of effects of a plan's features. The effects have a mean over all tasks, differ from it by family,
    and in a family by task (a normal hierarchical model, solved exactly). All plans meet the same tasks in the same
    order, so a task's effects are known better than any one plan's, and what many plans have shown of a task is known
    of the others too.

    Args:
        features: (plans, features), scaled by the prior deviation of each.
        scores: (plans, tasks), 0 on tasks not met.
        seen: (plans,), how many tasks each has met, from the first.
        families: (tasks,), numbers from 0.
    """
    tasks, width = len(families), features.shape[1]
    by_task, by_family = _BY_TASK**2, _BY_FAMILY**2
    one, count = np.eye(width), int(families.max(initial=0)) + 1
    # What the tasks of a family say of the family's effects (precision, and precision times mean), task effects
    # integrated out; and how strongly these pass on to the sum of the effects over its tasks.
    told, heard = np.zeros((count, width, width)), np.zeros((count, width))
    passed = np.zeros((count, width, width))
    stretches = _stretches(features, scores, seen)
    for at in stretches:
        there = families[at.start : at.stop]
        told += _times(np.bincount(there, minlength=count), at.precision @ at.shrink)
        passed += _times(np.bincount(there, minlength=count), at.shrink)
        np.add.at(heard, there, at.sums @ at.shrink)
    met = stretches[-1].stop if stretches else 0
    passed += _times(np.bincount(families[met:], minlength=count), one)

    pooled = np.linalg.inv(one + by_family * told)
    overall = np.linalg.inv(one + (told @ pooled).sum(axis=0))
    common = overall @ (pooled @ heard[:, :, None])[:, :, 0].sum(axis=0)
    effects = by_family * (pooled @ heard[:, :, None])[:, :, 0] + pooled @ common
    through = (passed @ pooled).sum(axis=0)
    covariance = through @ overall @ through.T + by_task * passed.sum(axis=0)
    covariance += by_family * (passed @ pooled @ passed).sum(axis=0)
    mean = (by_task * heard + (passed @ effects[:, :, None])[:, :, 0]).sum(axis=0) / tasks

    residuals = np.zeros(len(features))
    for at in stretches:
        expected = (by_task * at.sums + effects[families[at.start : at.stop]]) @ at.shrink
        here = scores[at.rows, at.start : at.stop] - features[at.rows] @ expected.T
        residuals[at.rows] += here.sum(axis=1)
    unmet = 1 - seen / tasks
    own = _OWN**2 / (_OWN**2 * seen + _NOISE)
    return ScoreModel(
        features=features,
        means=features @ mean + residuals * (1 / tasks + unmet * own),
        covariance=covariance / tasks**2,
        unmet=unmet,
        own=unmet**2 * _NOISE * own + unmet * _NOISE / tasks,
    )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Successive tasks that the same plans have met."""

    start: int
    stop: int
    rows: Ints
    """Of the plans."""
    precision: Floats
    """What one task says of its effects."""
    shrink: Floats
    """By how much a task's effects are drawn to those of its family."""
    sums: Floats
    """(tasks, features), what the scores say of the effects."""


def _stretches(features: Floats, scores: Floats, seen: Ints) -> list[_Stretch]:
    found, start = [], 0
    for stop in sorted({int(n) for n in seen if n}):
        rows = np.flatnonzero(seen >= stop)
        there = features[rows]
        precision = there.T @ there / _NOISE
        shrink: Floats = np.linalg.inv(np.eye(len(precision)) + _BY_TASK**2 * precision).astype(np.float64)
        found.append(_Stretch(start, stop, rows, precision, shrink, scores[rows, start:stop].T @ there / _NOISE))
        start = stop
    return found


def _times(counts: NDArray[np.int64], matrix: Floats) -> Floats:
    """The matrix, so many times for each family."""
    return np.asarray(counts[:, None, None] * matrix)


def normal(values: Floats) -> Floats:
    """The standard normal distribution function."""
    from scipy.special import ndtr  # here, because a command that does not search should not wait for its import

    return np.asarray(ndtr(values))
