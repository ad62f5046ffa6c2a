"""Means of clusters of like questions, drawn towards the mean of the arm."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...arrays import Floats, Ints
from ..features import Features
from ..fitted import Array, Fitted, rounded
from .base import Examples

__all__ = ["ClusterHead", "fit_clusters"]

_SIZES = (2, 4, 8, 16, 32, 64)
_LEAST = 6
"""Questions for each cluster, at the least, on average."""
_WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)


class ClusterHead(Fitted):
    """An arm's mean score in the question's cluster, with the weight n / (n + weight) against its mean in all."""

    kind: Literal["clusters"] = "clusters"
    centers: Array
    """(clusters, columns), or none where the families are the clusters."""
    means: Array
    """(clusters + 1, arms), drawn already; the last row is for questions of no known family."""
    weight: float
    """Of the arm's mean in all, in questions."""

    def fits(self, columns: int, arms: int) -> bool:
        """Whether it is for so many columns and arms."""
        if self.means.ndim != 2 or self.means.shape[1] != arms:
            return False
        return not len(self.centers) or self.centers.shape == (len(self.means) - 1, columns)

    def predict(self, features: Features) -> Floats:
        """(questions, arms)."""
        return self.means[_labels(features, self.centers)]


def fit_clusters(examples: Examples, seed: int, like: ClusterHead | None = None) -> ClusterHead:
    """Finds clusters (for routing: Zhang et al. 2025, the Avengers) and draws their means (James and Stein 1961).

    Args:
        examples: what to learn from.
        seed: of the clusters and the folds.
        like: whose clusters and weight to take. Without it, five-fold cross-validation on the squared error chooses
            among the families and k-means for several k, and among weights.
    """
    centers, weight = (like.centers, like.weight) if like else _chosen(examples, seed)
    labels = _labels(examples.features, centers)
    clusters = len(like.means) - 1 if like else int(labels.max()) + 1
    sums, counts = _sums(labels, examples.scores, clusters)
    means = _means(sums, counts, examples.scores.mean(axis=0), weight)
    return ClusterHead(centers=centers, means=rounded(means), weight=weight)


def _chosen(examples: Examples, seed: int) -> tuple[Floats, float]:
    """The centers, none for the families, and the weight that foretell best."""
    from sklearn.cluster import KMeans

    matrix = examples.features.matrix
    partitions: list[Floats] = [np.empty((0, 0))]
    distinct = len(np.unique(matrix, axis=0))
    for size in _SIZES:
        if size * _LEAST <= len(examples) and size <= distinct:
            found = KMeans(size, n_init=1, random_state=seed).fit(matrix)
            partitions.append(rounded(found.cluster_centers_, 5))
    folds = examples.folds(5, seed)
    tried = [
        (error, -weight, number)
        for number, centers in enumerate(partitions)
        for weight, error in _errors(_labels(examples.features, centers), examples.scores, folds).items()
    ]
    # Of equal errors the heavier weight wins: it says that the clusters tell nothing.
    _, weight, number = min(tried)
    return partitions[number], -weight


def _labels(features: Features, centers: Floats) -> Ints:
    """(questions,): the number of the nearest center, or of the family where there are no centers."""
    if not len(centers):
        return features.groups
    squares = (centers**2).sum(axis=1) - 2 * features.matrix @ centers.T
    return np.asarray(squares.argmin(axis=1), np.intp)


def _sums(labels: Ints, scores: Floats, clusters: int) -> tuple[Floats, Floats]:
    """(clusters + 1, arms) and (clusters + 1, 1): of scores, and of questions; the last row is empty."""
    members = (labels[:, None] == np.arange(clusters + 1)).astype(np.float64)
    return members.T @ scores, members.sum(axis=0)[:, None]


def _means(sums: Floats, counts: Floats, overall: Floats, weight: float) -> Floats:
    """(clusters + 1, arms): drawn means; the last row, which label -1 reaches, has the means in all."""
    return np.asarray((sums + weight * overall) / (counts + weight))


def _errors(labels: Ints, scores: Floats, folds: Ints) -> dict[float, float]:
    """The squared error of forecasts for each fold from the others, by weight."""
    clusters = int(labels.max()) + 1
    all_sums, all_counts = _sums(labels, scores, clusters)
    errors = dict.fromkeys(_WEIGHTS, 0.0)
    for fold in np.unique(folds):
        inside = folds == fold
        sums, counts = _sums(labels[inside], scores[inside], clusters)
        overall = scores[~inside].mean(axis=0)
        for weight in _WEIGHTS:
            means = _means(all_sums - sums, all_counts - counts, overall, weight)
            errors[weight] += float(((means[labels[inside]] - scores[inside]) ** 2).sum())
    return errors
