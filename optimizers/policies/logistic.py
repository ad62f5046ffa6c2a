"""Several logistic regressions on the same features, for routers that learn yes-or-no targets of their own."""

from __future__ import annotations

from typing import Self

import numpy as np

from ..arrays import Floats
from ..prediction.fitted import Array, Fitted, rounded
from ..regression import logit, sigmoid

__all__ = ["LogisticHeads"]

_PENALTIES = (300.0, 30.0, 3.0, 0.3)
"""Of the squared weights, against a sum over questions; features have about one unit of variance a block."""
_EDGE = 1e-3


class LogisticHeads(Fitted):
    """Probabilities of several events, given what is known of a question."""

    weights: Array
    """(columns, heads)."""
    bias: Array
    """(heads,)."""

    def fits(self, columns: int, heads: int) -> bool:
        """Whether it is for so many columns and events."""
        return self.weights.shape == (columns, heads) and self.bias.shape == (heads,)

    def predict(self, matrix: Floats) -> Floats:
        """(questions, heads)."""
        return sigmoid(matrix @ self.weights + self.bias)

    def loss(self, matrix: Floats, targets: Floats) -> float:
        """The mean cross-entropy."""
        found = np.clip(self.predict(matrix), _EDGE, 1 - _EDGE)
        return float(-np.mean(targets * np.log(found) + (1 - targets) * np.log(1 - found)))

    @classmethod
    def fit(cls, matrix: Floats, targets: Floats, check: Floats, check_targets: Floats) -> Self:
        """Learns all heads at once.

        Args:
            matrix: (questions, columns).
            targets: (questions, heads): how often the event happened, in [0, 1].
            check: features of other questions, on which the penalty is chosen.
            check_targets: their targets.
        """
        fitted = [cls._fit(matrix, targets, penalty) for penalty in _PENALTIES]
        return min(fitted, key=lambda heads: heads.loss(check, check_targets))

    @classmethod
    def _fit(cls, matrix: Floats, targets: Floats, penalty: float) -> Self:
        from scipy.optimize import minimize

        columns, heads = matrix.shape[1], targets.shape[1]

        def loss(flat: Floats) -> tuple[float, Floats]:
            weights = flat.reshape(columns + 1, heads)
            scores = matrix @ weights[:-1] + weights[-1]
            errors = sigmoid(scores) - targets
            value = np.sum(np.logaddexp(0, scores) - targets * scores) + penalty / 2 * np.sum(weights[:-1] ** 2)
            slope = np.vstack([matrix.T @ errors + penalty * weights[:-1], errors.sum(axis=0)])
            return float(value), slope.ravel()

        start = np.vstack([np.zeros((columns, heads)), logit(targets.mean(axis=0), _EDGE)]).ravel()
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x.reshape(
            columns + 1, heads
        )
        return cls(weights=rounded(found[:-1]), bias=rounded(found[-1]))
