"""What regressions share: logits, and the weights that a ridge penalty leaves."""

from __future__ import annotations

import numpy as np

from .arrays import Floats

__all__ = ["logit", "ridge", "sigmoid"]

_MOST = 500.0
"""Beyond this a logit is as good as infinite, and its exponential would overflow."""


def sigmoid(logits: Floats) -> Floats:
    """The probabilities that belong to logits, of the same shape."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_MOST, _MOST))))


def logit(probabilities: Floats, edge: float) -> Floats:
    """The logits of probabilities, of the same shape; none is nearer to 0 or 1 than `edge`, so that all are finite."""
    inside = np.clip(probabilities, edge, 1 - edge)
    return np.asarray(np.log(inside / (1 - inside)))


def ridge(matrix: Floats, targets: Floats, penalty: float, weights: Floats | None = None) -> Floats:
    """The coefficients of a linear regression with a penalty on their squares (Hoerl and Kennard 1970).

    Args:
        matrix: (rows, columns).
        targets: (rows,) or (rows, targets), of mean 0 where there is to be no constant.
        penalty: on the sum of squares, against a sum over rows.
        weights: (rows,): how much each counts; 1 where left out.

    Returns:
        (columns,) or (columns, targets).
    """
    weighted = matrix if weights is None else matrix * weights[:, None]
    normal = matrix.T @ weighted + penalty * np.eye(matrix.shape[1])
    return np.asarray(np.linalg.solve(normal, weighted.T @ targets))
