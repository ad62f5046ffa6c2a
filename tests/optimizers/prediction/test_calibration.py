from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from apportion.optimizers.arrays import Floats
from apportion.optimizers.prediction.calibration import Calibration, fit_calibration


def drawn(questions: int, true: str, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """(predicted, observed, true chances) where the true chance is a known curve of what is predicted."""
    draws = np.random.default_rng(seed)
    predicted = draws.uniform(0.02, 0.98, (questions, 5))
    logits = np.log(predicted / (1 - predicted))
    chances = {
        "same": predicted,
        "too sure": 1 / (1 + np.exp(-0.4 * logits + 0.8)),
        "stairs": np.where(predicted < 0.3, 0.1, np.where(predicted < 0.7, 0.2, 0.9)),
    }[true]
    return predicted, (draws.uniform(size=predicted.shape) < chances).astype(float), chances


@pytest.mark.parametrize("questions", [60, 1000])
@pytest.mark.parametrize("true", ["same", "too sure", "stairs"])
def test_brings_forecasts_to_the_level_of_what_is_observed(true: str, questions: int) -> None:
    predicted, observed, _ = drawn(questions, true)
    curve = fit_calibration(predicted, observed, 0)
    unseen, _, chances = drawn(2000, true, seed=1)
    error = float(((curve.apply(unseen) - chances) ** 2).mean())
    assert error < {"same": 0.002, "too sure": 0.002, "stairs": 0.003 if questions == 1000 else 0.03}[true]
    if questions == 1000:
        assert (curve.kind == "isotonic") == (true == "stairs")


def test_no_order_of_forecasts_is_turned_around() -> None:
    predicted, observed, _ = drawn(100, "same")
    for falling in (observed, 1 - observed):
        curve = fit_calibration(predicted, falling, 0)
        assert (np.diff(curve.apply(np.linspace(0, 1, 50))) >= -1e-12).all()


def test_the_isotonic_curve_is_the_one_of_scikit_learn() -> None:
    predicted, observed, _ = drawn(600, "stairs")
    curve = fit_calibration(predicted, observed, 0)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(predicted.ravel(), observed.ravel())
    grid = np.linspace(0, 1, 200)
    assert curve.kind == "isotonic"
    # Six digits are kept; where the curve is steep that moves it a little.
    assert np.mean(np.abs(curve.apply(grid) - theirs.predict(grid)) < 1e-4) > 0.97


@pytest.mark.parametrize("true", ["same", "too sure", "stairs"])
def test_json_gives_the_same_curve(true: str) -> None:
    predicted, observed, _ = drawn(600, true)
    curve = fit_calibration(predicted, observed, 0)
    again = Calibration.from_json(json.loads(json.dumps(curve.to_json())))
    assert (again.apply(predicted) == curve.apply(predicted)).all()


def test_certain_forecasts_stay_finite() -> None:
    predicted, observed = np.array([[0.0, 1.0]] * 4), np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = fit_calibration(predicted, observed, 0).apply(predicted)
    assert ((found >= 0) & (found <= 1)).all()
