"""Bringing predicted scores to the level of what is observed."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from ..arrays import Floats, Ints
from ..regression import logit, sigmoid
from .fitted import Array, Fitted, rounded
from .heads.base import folds_of

__all__ = ["Calibration", "fit_calibration"]

_EDGE = 1e-4
_LEAST_FOR_ISOTONIC = 1000
"""Below so many pairs, a curve that may bend anywhere follows the noise."""


class Calibration(Fitted):
    """A rising curve from predicted to calibrated scores, the same for all arms."""

    kind: Literal["none", "platt", "isotonic"] = "none"
    slope: float = 1.0
    """Platt: of the logit."""
    shift: float = 0.0
    inputs: Array = np.empty(0)
    """Isotonic: the corners of the curve."""
    outputs: Array = np.empty(0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.inputs.ndim != 1 or self.inputs.shape != self.outputs.shape:
            raise ValueError("inputs and outputs must be two lists of one length")
        if self.kind == "isotonic" and not len(self.inputs):
            raise ValueError("an isotonic curve needs inputs and outputs")
        return self

    def apply(self, scores: Floats) -> Floats:
        """Calibrated scores, of the same shape."""
        if self.kind == "platt":
            return sigmoid(self.slope * logit(scores, _EDGE) + self.shift)
        if self.kind == "isotonic":
            return np.asarray(np.interp(scores, self.inputs, self.outputs))
        return scores


def fit_calibration(predicted: Floats, observed: Floats, seed: int, clusters: Ints | None = None) -> Calibration:
    """Chooses between no curve, Platt's (1999) and an isotonic one (Zadrozny and Elkan 2002) by cross-validation.

    Args:
        predicted: (questions, arms): for questions that were not learned from.
        observed: (questions, arms): in [0, 1].
        seed: of the folds, which keep questions whole.
        clusters: (questions,): equal numbers stay in one fold; all stand alone where left out.
    """
    folds = folds_of(len(predicted), min(5, len(predicted)), seed, clusters)
    makers = [_none, _platt] + ([_isotonic] if predicted.size >= _LEAST_FOR_ISOTONIC else [])
    errors = []
    for make in makers:
        error = 0.0
        for fold in np.unique(folds):
            curve = make(predicted[folds != fold], observed[folds != fold])
            error += float(((curve.apply(predicted[folds == fold]) - observed[folds == fold]) ** 2).sum())
        errors.append(error)
    return makers[int(np.argmin(errors))](predicted, observed)


def _none(predicted: Floats, observed: Floats) -> Calibration:
    return Calibration()


def _platt(predicted: Floats, observed: Floats) -> Calibration:
    from scipy.optimize import minimize

    logits, targets = logit(predicted, _EDGE).ravel(), observed.ravel()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scores = parameters[0] * logits + parameters[1]
        errors = sigmoid(scores) - targets
        value = float(np.mean(np.logaddexp(0, scores) - targets * scores))
        return value, np.array([np.mean(errors * logits), np.mean(errors)])

    # A falling curve would turn the order of arms around.
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 20), (-10, 10)])
    slope, shift = rounded(found.x)
    return Calibration(kind="platt", slope=float(slope), shift=float(shift))


def _isotonic(predicted: Floats, observed: Floats) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(predicted.ravel(), observed.ravel())
    return Calibration(kind="isotonic", inputs=rounded(fitted.X_thresholds_), outputs=rounded(fitted.y_thresholds_))
