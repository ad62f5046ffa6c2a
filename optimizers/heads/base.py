"""What a score head is, and what it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..features import Features
from ..table import Arm

__all__ = ["Examples", "ScoreHead", "folds_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


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


class ScoreHead(Protocol):
    """Predicts scores. Immutable; its state is JSON."""

    def predict(self, features: Features) -> Floats:
        """(questions, arms): expected scores in [0, 1]."""

    def to_json(self) -> dict[str, Any]:
        """All that is needed to predict again."""


def folds_of(count: int, folds: int, seed: int) -> Ints:
    """(count,): a fold for every question, at random, sizes as equal as can be."""
    order = np.random.default_rng([seed, count, folds]).permutation(count)
    return np.asarray(order % folds, np.intp)
