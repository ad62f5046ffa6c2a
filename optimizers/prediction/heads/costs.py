"""What an arm will cost on a question: the mean, and what it stays below 19 times in 20."""

from __future__ import annotations

import numpy as np

from ...arrays import Floats
from ...regression import ridge
from ..features import Features
from ..fitted import Array, Fitted, rounded
from .base import Examples

__all__ = ["CostHead", "fit_costs"]

_PENALTIES = (1e5, 300.0, 30.0, 3.0, 0.3)
_FLOOR = 1e-3


class CostHead(Fitted):
    """A ridge regression of the logarithm of every arm's cost, brought to the right mean."""

    weights: Array
    """(columns, arms)."""
    bias: Array
    """(arms,)."""
    least: Array
    """(arms,): the lowest cost that was seen; no prediction is below it."""
    most: Array
    """(arms,): the highest."""
    correction: Array
    """(arms,): how far the mean cost lies above the exponential of the mean logarithm (Duan's smearing, 1983)."""
    spread: Array
    """(arms,): the 95 % quantile of cost over predicted mean, on questions that were not learned from."""

    def fits(self, columns: int, arms: int) -> bool:
        """Whether it is for so many columns and arms."""
        of_arms = (self.bias, self.least, self.most, self.correction, self.spread)
        return self.weights.shape == (columns, arms) and all(array.shape == (arms,) for array in of_arms)

    def predict(self, features: Features) -> Floats:
        """(questions, arms): mean costs."""
        raw = np.exp(np.clip(features.matrix @ self.weights + self.bias, -700, 700)) * self.correction
        return np.clip(raw, self.least, self.most)

    def high(self, means: Floats) -> Floats:
        """(questions, arms): the 95 % quantiles that belong to predicted means."""
        return means * self.spread


def fit_costs(examples: Examples, samples: Floats, seed: int) -> CostHead:
    """Learns the costs; how far a prediction draws on the question at all is chosen by five-fold cross-validation.

    Args:
        examples: the questions.
        samples: (questions, arms, replicates): costs one by one, for the quantile.
        seed: of the folds.
    """
    means = examples.costs.mean(axis=0)
    logs = np.log(np.maximum(examples.costs, np.where(means > 0, _FLOOR * means, 1.0)))
    matrix = examples.features.matrix
    folds = examples.folds(5, seed)
    foreseen = []
    for penalty in _PENALTIES:
        out = np.empty_like(logs)
        for fold in np.unique(folds):
            weights, bias = _centred(matrix[folds != fold], logs[folds != fold], penalty)
            out[folds == fold] = matrix[folds == fold] @ weights + bias
        foreseen.append(out)
    # The heaviest penalty comes first and wins ties: then every question is given the arm's mean.
    best = int(np.argmin([((out - logs) ** 2).sum() for out in foreseen]))
    weights, bias = _centred(matrix, logs, _PENALTIES[best])
    raw = np.exp(foreseen[best])
    correction = means / raw.mean(axis=0)
    least, most = examples.costs.min(axis=0), examples.costs.max(axis=0)
    foretold = np.clip(raw * correction, least, most)
    ratios = samples / np.where(foretold > 0, foretold, 1.0)[:, :, None]
    return CostHead(
        weights=rounded(weights),
        bias=rounded(bias),
        least=least,
        most=most,
        correction=rounded(correction),
        spread=rounded(np.maximum(1.0, _upper_quantile(ratios))),
    )


def _centred(matrix: Floats, targets: Floats, penalty: float) -> tuple[Floats, Floats]:
    """The weights of a ridge regression, and its constant, which is not penalised."""
    center, level = matrix.mean(axis=0), targets.mean(axis=0)
    weights = ridge(matrix - center, targets - level, penalty)
    return weights, level - center @ weights


def _upper_quantile(ratios: Floats) -> Floats:
    """(arms,): the quantile that a further draw stays below with 95 % (split conformal: Papadopoulos et al. 2002)."""
    drawn = np.sort(ratios.transpose(1, 0, 2).reshape(ratios.shape[1], -1), axis=1)
    count = drawn.shape[1]
    return drawn[:, min(count - 1, int(np.ceil(0.95 * (count + 1))) - 1)]
