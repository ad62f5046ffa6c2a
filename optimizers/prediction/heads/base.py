"""What heads learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats, Ints
from ...tables.table import Arm
from ..features import Features

__all__ = ["Examples", "folds_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Questions with what every arm scored and cost on them, means over replicates."""

    features: Features
    scores: Floats
    """(questions, arms)."""
    costs: Floats
    """(questions, arms)."""
    arms: tuple[Arm, ...]
    clusters: Ints | None = None
    """(questions,): equal numbers stay in one fold; None where all questions stand alone."""

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, indexes: Ints) -> Examples:
        """Some of the questions."""
        clusters = None if self.clusters is None else self.clusters[indexes]
        return Examples(self.features.take(indexes), self.scores[indexes], self.costs[indexes], self.arms, clusters)

    def folds(self, most: int, seed: int) -> Ints:
        """(questions,): a fold for each; see `folds_of`."""
        return folds_of(len(self), min(most, len(self)), seed, self.clusters)


def folds_of(count: int, folds: int, seed: int, clusters: Ints | None = None) -> Ints:
    """(count,): a fold for every question, at random, sizes as equal as can be.

    Args:
        count: of questions.
        folds: how many; fewer where there are fewer clusters.
        seed: of the order.
        clusters: (count,): equal numbers stay together, the largest are dealt first, each to the smallest fold (Graham
            1969). One with more than half of the questions cannot be held out together; its questions stand alone.
    """
    order = np.random.default_rng([seed, count, folds]).permutation(count)
    if clusters is None:
        return np.asarray(order % folds, np.intp)
    _, members, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    members = members.reshape(-1)
    alone = sizes[members] > count / 2
    members = np.where(alone, len(sizes) + np.arange(count), members)
    groups: dict[int, list[int]] = {}
    for question in np.argsort(order).tolist():
        groups.setdefault(int(members[question]), []).append(question)
    found, filled = np.empty(count, np.intp), np.zeros(folds, np.intp)
    for group in sorted(groups.values(), key=len, reverse=True):
        fold = int(np.argmin(filled))
        found[group] = fold
        filled[fold] += len(group)
    return found
