"""One logistic regression for all arms, which learn from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ...arrays import Floats
from ...regression import logit, sigmoid
from ...tables.table import Arm
from ..features import Features
from ..fitted import Array, Fitted, rounded
from .base import Examples

__all__ = ["LogisticHead", "fit_logistic"]

_PENALTIES = (300.0, 30.0, 3.0, 0.3)
_FOLDS = 3


class LogisticHead(Fitted):
    """The logit of an arm's score is a weighted sum of what is known of the question."""

    kind: Literal["logistic"] = "logistic"
    weights: Array
    """(columns, arms)."""
    bias: Array
    """(arms,)."""
    penalty: float
    """On the squares of the weights; chosen by cross-validation."""

    def fits(self, columns: int, arms: int) -> bool:
        """Whether it is for so many columns and arms."""
        return self.weights.shape == (columns, arms) and self.bias.shape == (arms,)

    def predict(self, features: Features) -> Floats:
        """(questions, arms)."""
        return sigmoid(features.matrix @ self.weights + self.bias)


def fit_logistic(examples: Examples, seed: int, like: LogisticHead | None = None) -> LogisticHead:
    """Fits all arms at once, pooled in the manner of a hierarchical regression (Gelman and Hill 2007).

    An arm's weights are a sum of those that it shares with all arms, with the arms of its models, with the arms of its
    setting, and its own. All are penalised by their squares, so that what arms have in common is paid for once.

    Args:
        examples: what to learn from.
        seed: of the folds.
        like: whose penalty to take; without it, it is chosen by cross-validation over questions.
    """
    groups = _memberships(examples.arms)
    penalties = _PENALTIES[: _PENALTIES.index(like.penalty) + 1] if like else _chosen(examples, groups, seed)
    weights, bias = _path(examples.features.matrix, examples.scores, groups, penalties)[-1]
    return LogisticHead(weights=rounded(weights), bias=rounded(bias), penalty=penalties[-1])


def _chosen(examples: Examples, groups: Floats, seed: int) -> tuple[float, ...]:
    """The penalties down to the one that foretells best."""
    matrix, scores = examples.features.matrix, examples.scores
    folds = examples.folds(_FOLDS, seed)
    losses = np.zeros(len(_PENALTIES))
    for fold in np.unique(folds):
        inside = folds != fold
        for number, (weights, bias) in enumerate(_path(matrix[inside], scores[inside], groups, _PENALTIES)):
            losses[number] += _loss(matrix[~inside] @ weights + bias, scores[~inside])
    return _PENALTIES[: int(np.argmin(losses)) + 1]


def _memberships(arms: Sequence[Arm]) -> Floats:
    """(arms, groups): 1 where an arm belongs to a group; all arms, those of the same models, of one setting, each."""
    columns = [np.ones(len(arms))]
    for labels in ([arm.models for arm in arms], [arm.setting for arm in arms], [arm.name for arm in arms]):
        distinct = sorted(set(labels), key=str)
        if len(distinct) > 1:
            columns += [np.array([label == one for label in labels], np.float64) for one in distinct]
    return np.column_stack(columns)


def _path(matrix: Floats, scores: Floats, groups: Floats, penalties: Sequence[float]) -> list[tuple[Floats, Floats]]:
    """(weights, bias) for each penalty, heaviest first, each starting from the one before."""
    from scipy.optimize import minimize

    columns, arms = matrix.shape[1], scores.shape[1]
    parameters = np.concatenate([logit(scores.mean(axis=0), 0.5 / len(scores)), np.zeros(columns * groups.shape[1])])

    def objective(parameters: Floats, penalty: float) -> tuple[float, Floats]:
        bias, shared = parameters[:arms], parameters[arms:].reshape(columns, -1)
        logits = matrix @ (shared @ groups.T) + bias
        errors = sigmoid(logits) - scores
        slopes = (matrix.T @ errors) @ groups + penalty * shared
        # The biases are held near zero by half an answer's worth, or an arm that is always right would have none.
        value = _loss(logits, scores) + 0.5 * penalty * float((shared**2).sum()) + 0.005 * float((bias**2).sum())
        return value, np.concatenate([errors.sum(axis=0) + 0.01 * bias, slopes.ravel()])

    found = []
    for penalty in penalties:
        parameters = minimize(
            objective, parameters, args=(penalty,), jac=True, method="L-BFGS-B", options={"maxiter": 100, "ftol": 1e-7}
        ).x
        found.append((parameters[arms:].reshape(columns, -1) @ groups.T, parameters[:arms]))
    return found


def _loss(logits: Floats, scores: Floats) -> float:
    return float((np.logaddexp(0, logits) - scores * logits).sum())
