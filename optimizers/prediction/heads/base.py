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

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, indexes: Ints) -> Examples:
        """Some of the questions."""
        return Examples(self.features.take(indexes), self.scores[indexes], self.costs[indexes], self.arms)


def folds_of(count: int, folds: int, seed: int) -> Ints:
    """(count,): a fold for every question, at random, sizes as equal as can be."""
    order = np.random.default_rng([seed, count, folds]).permutation(count)
    return np.asarray(order % folds, np.intp)
