from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from apportion.errors import ApportionError
from apportion.optimizers.arrays import Floats
from apportion.optimizers.prediction.features import Features
from apportion.optimizers.prediction.heads.base import Examples
from apportion.optimizers.prediction.heads.boosting import BoostingHead, fit_boosting
from apportion.optimizers.tables.table import Arm

ARMS = tuple(Arm(f"{model}{size}", (("solve", model),), str(size)) for model in "ab" for size in (1, 2))


def examples(count: int, seed: int) -> tuple[Examples, Floats]:
    """Model a is good where two columns have one sign, model b where they differ: no line tells them apart."""
    draws = np.random.default_rng(seed)
    matrix = draws.normal(size=(count, 5))
    same = matrix[:, 0] * matrix[:, 1] > 0
    chances = np.column_stack([np.where(same, high, 0.1) for high in (0.7, 0.9)])
    chances = np.hstack([chances, np.column_stack([np.where(same, 0.1, high) for high in (0.7, 0.9)])])
    scores = (draws.uniform(size=chances.shape) < chances).astype(float)
    return Examples(Features(matrix, np.full(count, -1)), scores, 1 + scores, ARMS), chances


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[HistGradientBoostingRegressor, Floats]]:
    """Every model that scikit-learn fits, with the rows that it was fitted to."""
    fitted: list[tuple[HistGradientBoostingRegressor, Floats]] = []
    original = HistGradientBoostingRegressor.fit

    def fit(self: HistGradientBoostingRegressor, rows: Floats, targets: Floats) -> Any:
        found = original(self, rows, targets)
        fitted.append((found, rows))
        return found

    monkeypatch.setattr(HistGradientBoostingRegressor, "fit", fit)
    return fitted


def test_predicts_what_scikit_learn_predicts(theirs: list[tuple[HistGradientBoostingRegressor, Floats]]) -> None:
    learned, _ = examples(150, 0)
    unseen, _ = examples(80, 1)
    head = BoostingHead.from_json(json.loads(json.dumps(fit_boosting(learned, 0).to_json())))
    model, rows = theirs[-1]
    assert head.raw(rows) == pytest.approx(model.predict(rows), abs=1e-12)
    # Question by question, all arms of each; arms are told apart by the columns to the right.
    columns = np.hstack([np.repeat(unseen.features.matrix, 4, axis=0), np.tile(rows[:4, 5:], (80, 1))])
    expected = learned.scores.mean(axis=0) + model.predict(columns).reshape(80, 4)
    assert head.predict(unseen.features) == pytest.approx(np.clip(expected, 0, 1), abs=1e-5)


def test_finds_what_no_line_tells_apart() -> None:
    learned, _ = examples(400, 2)
    unseen, chances = examples(200, 3)
    head = fit_boosting(learned, 0)
    error = ((head.predict(unseen.features) - chances) ** 2).mean()
    assert error < 0.5 * ((learned.scores.mean(axis=0) - chances) ** 2).mean()
    assert head.fits(5, 4)
    assert not head.fits(4, 4)


def test_the_number_of_trees_is_chosen_or_taken() -> None:
    draws = np.random.default_rng(4)
    scores = (draws.uniform(size=(120, 4)) < 0.5).astype(float)
    noise = Examples(Features(draws.normal(size=(120, 5)), np.full(120, -1)), scores, scores, ARMS)
    few = fit_boosting(noise, 0)
    assert len(few.columns) < 40
    learned, _ = examples(120, 5)
    assert len(fit_boosting(learned, 0, few).columns) == len(few.columns)


def test_trees_that_cannot_be_read_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    learned, _ = examples(60, 6)
    like = BoostingHead.model_construct(columns=np.zeros((3, 1), np.intp))
    fit_boosting(learned, 0, like)
    original = HistGradientBoostingRegressor.predict
    monkeypatch.setattr(HistGradientBoostingRegressor, "predict", lambda self, rows: original(self, rows) + 1e-6)
    with pytest.raises(ApportionError, match=r"scikit-learn .* cannot be read; choose head"):
        fit_boosting(learned, 0, like)


def test_all_trees_at_once_say_what_one_after_the_other_does() -> None:
    """To the last digit, for one row and for many, since forecasts decide."""
    learned, _ = examples(120, 3)
    head = fit_boosting(learned, 0)
    known = np.hstack([np.repeat(learned.features.matrix, len(ARMS), axis=0), np.tile(head.arm_columns, (120, 1))])
    expected = np.full(len(known), head.baseline)
    for tree in range(len(head.columns)):
        node = np.zeros(len(known), np.intp)
        for _ in range(head.depth):
            left = known[np.arange(len(known)), head.columns[tree, node]] <= head.thresholds[tree, node]
            node = np.where(left, head.left[tree, node], head.right[tree, node])
        expected += head.values[tree, node]
    assert head.raw(known).tolist() == expected.tolist()
    assert head.raw(known[:1]).tolist() == expected[:1].tolist()
    assert head.raw(known[:0]).shape == (0,)
    whole = head.predict(learned.features)
    assert head.predict(learned.features.take(np.array([7]))).tolist() == whole[[7]].tolist()
