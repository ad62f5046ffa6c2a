from __future__ import annotations

import numpy as np

from apportion.optimizers.policies.difficulty_bins import Bins, DifficultyBins, bins_of
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Prediction, Predictor
from apportion.optimizers.tables.table import Batch, Lesson, Question

Learned = tuple[Lesson, Predictor, Rehearsal]


def test_bins_hold_the_means_of_their_questions() -> None:
    expected = np.array([0.1, 0.9, 0.2, 0.8])
    found = bins_of(expected, np.array([[0.0, 0.2], [1.0, 1.0], [0.0, 0.4], [0.8, 1.0]]), 2)
    assert found.scores.round(6).tolist() == [[0.0, 0.3], [0.9, 1.0]]
    assert found.lookup(np.array([0.0, 1.0])).round(6).tolist() == [[0.0, 0.3], [0.9, 1.0]]


def test_equal_forecasts_are_one_bin() -> None:
    found = bins_of(np.full(6, 0.5), np.arange(6.0)[:, None] / 5, 3)
    assert np.allclose(found.lookup(np.array([0.4, 0.5, 0.6])), 0.5)


def test_the_hardest_get_no_more_than_the_least_where_nothing_helps(small: Learned) -> None:
    """The middle bin gains from compute; the hardest does not, and the easiest does not need it."""
    predictor = small[1]
    arms = len(predictor.arms)
    scores = np.array([[0.0] * arms, np.linspace(0.2, 0.9, arms), [0.95] * arms])
    policy = DifficultyBins(predictor=predictor, bins=(Bins(edges=np.array([0.3, 0.7]), scores=scores),))
    expected = np.repeat([0.1, 0.5, 0.9], 10)
    batch = Batch(tuple(Question(str(number), "?") for number in range(30)))
    costs = np.tile(np.arange(1.0, arms + 1), (30, 1))
    view = View(predictor, batch, Prediction(np.tile(expected[:, None], (1, arms)), costs, costs, predictor.arm_scores))
    chosen = policy.plans(view)[0](30.0 + 10 * 7)
    assert chosen is not None
    assert chosen.tolist() == [0] * 10 + [arms - 1] * 10 + [0] * 10
