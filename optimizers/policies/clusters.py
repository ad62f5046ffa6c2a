"""Routing by clusters of like questions, with a dial between score and cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Floats, Ints
from ..prediction.fitted import Array, Fitted, rounded
from ..prediction.predictor import Predictor
from ..tables.table import Lesson, Table
from .bisection import turned
from .learned import Learned
from .schedule import MakePlan
from .view import View

__all__ = ["Clusters", "Partition"]

_SIZES = (2, 4, 8, 16, 32, 60)
_LEAST = 5
"""Questions a cluster, at the least, on average."""
_NEAREST = 4
_SHARPNESS = 9.0
_TOP = 1 - 1e-6
"""Of the dial: costs still decide between equal scores."""


class Partition(Fitted):
    """Clusters of questions, with what every arm is worth in them."""

    centers: Array
    """(clusters, columns), of unit length."""
    scores: Array
    """(clusters, arms): mean scores, brought to 0 ... 1 within the cluster."""
    costs: Array
    """(clusters, arms): mean costs, likewise."""

    def worth(self, matrix: Floats) -> tuple[Floats, Floats]:
        """(questions, arms) twice: normed scores and costs, weighted over the nearest clusters."""
        unit = _unit(matrix)
        squares = (unit**2).sum(axis=1)[:, None] + (self.centers**2).sum(axis=1) - 2 * unit @ self.centers.T
        distances = np.sqrt(np.maximum(squares, 0.0))
        nearest = np.sort(distances, axis=1)[:, :_NEAREST][:, -1:]
        weights = np.where(distances <= nearest, np.exp(-_SHARPNESS * (distances - distances.min(axis=1)[:, None])), 0)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights @ self.scores, weights @ self.costs


class Clusters(Learned):
    """Avengers-Pro (Zhang et al. 2025): the arm with the highest a * score + (1 - a) * (1 - cost) in like questions.

    Scores and costs are brought to 0 ... 1 within each cluster; a question looks at its four nearest clusters, the
    nearer the more. The budget decides a, which is the same for all questions. The number of clusters, validation
    decides for every budget.
    """

    name: ClassVar[str] = "clusters"
    has_own_model: ClassVar[bool] = True
    policy: Literal["clusters"] = "clusters"
    partitions: tuple[Partition, ...] = ()

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        for each in self.partitions:
            clusters = len(each.centers)
            if not clusters or each.centers.shape != (clusters, columns):
                return "partitions"
            if each.scores.shape != (clusters, arms) or each.costs.shape != (clusters, arms):
                return "partitions"
        return ""

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        matrix = _unit(View(predictor, lesson.fit.batch()).matrix)
        distinct = len(np.unique(matrix, axis=0))
        sizes = [1, *(s for s in _SIZES if s * _LEAST <= len(matrix) and s <= distinct)]
        partitions = tuple(_partition(matrix, lesson.fit, size, lesson.seed) for size in sizes)
        return cls(predictor=predictor, partitions=partitions)

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every number of clusters."""

        def plan(partition: Partition, budget: float) -> Ints | None:
            scores, costs = partition.worth(view.matrix)

            def at(dial: float) -> Ints:
                return np.asarray(np.argmax(dial * scores - (1 - dial) * costs, axis=1), np.intp)

            return turned(at, view.planning, budget, _TOP)

        return [partial(plan, partition) for partition in self.partitions]


def _partition(matrix: Floats, table: Table, size: int, seed: int) -> Partition:
    from sklearn.cluster import KMeans

    fitted = KMeans(size, n_init=3, random_state=seed).fit(matrix)
    members = fitted.labels_[:, None] == np.arange(size)
    shares = members / np.maximum(members.sum(axis=0), 1)
    return Partition(
        centers=rounded(_unit(fitted.cluster_centers_)),
        scores=rounded(_normed(shares.T @ table.mean_scores)),
        costs=rounded(_normed(shares.T @ table.mean_costs)),
    )


def _normed(values: Floats) -> Floats:
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    return np.asarray(np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low))


def _unit(matrix: Floats) -> Floats:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0))
