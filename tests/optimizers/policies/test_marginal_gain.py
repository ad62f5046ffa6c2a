"""The greedy climb is the best there is where gains fall."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from apportion.optimizers.policies.marginal_gain import MarginalGain
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Prediction, Predictor
from apportion.optimizers.tables.table import Batch, Lesson, Question
from apportion.testing.planted import plant

Learned = tuple[Lesson, Predictor, Rehearsal]


def view_of(predictor: Predictor, scores: np.ndarray, costs: np.ndarray) -> View:
    batch = Batch(tuple(Question(str(number), "?") for number in range(len(scores))))
    return View(predictor, batch, Prediction(scores, costs, costs, predictor.arm_scores))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("units", [3, 5, 7, 11])
def test_as_good_as_trying_everything_on_concave_ladders(small: Learned, seed: int, units: int) -> None:
    """With one unit a step, as in samples, there is no remainder that a step does not fit into."""
    questions, steps = 3, 3
    gains = -np.sort(-np.random.default_rng(seed).random((questions, steps)), axis=1) / steps
    scores = np.concatenate([np.zeros((questions, 1)), np.cumsum(gains, axis=1), np.zeros((questions, 4))], axis=1)
    costs = np.tile(np.append(np.arange(1.0, steps + 2), [9.0] * 4), (questions, 1))
    predictor = small[1]
    policy = MarginalGain(predictor=predictor, frontier=(0, 1, 2, 3))
    chosen = policy.plans(view_of(predictor, scores, costs))[0](float(units))
    everyone = np.arange(questions)
    best = max(
        scores[everyone, arms].sum()
        for arms in product(range(steps + 1), repeat=questions)
        if costs[everyone, arms].sum() <= units
    )
    assert chosen is not None
    assert np.isclose(scores[everyone, chosen].sum(), best)


def test_a_step_that_only_pays_with_the_next_is_taken_with_it(small: Learned) -> None:
    """Gains that rise before they fall: the envelope skips what does not pay."""
    _, predictor, _ = small
    policy = MarginalGain(predictor=predictor, frontier=(0, 1, 2))
    scores = np.tile([0.1, 0.11, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0], (4, 1))
    costs = np.tile([1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0, 9.0], (4, 1))
    chosen = policy.plans(view_of(predictor, scores, costs))[0](8.0)
    assert chosen is not None
    assert sorted(chosen.tolist()) == [0, 0, 2, 2]


def test_one_ladder_serves_all_questions(small: Learned) -> None:
    policy = MarginalGain.from_predictor(*small)
    batch = plant("crossing", 80, seed=3).table.batch()
    ladders = [
        set(policy.frontier),
        *({n for n, a in enumerate(policy.arms) if a.models == m} for m in _models(policy)),
    ]
    for budget in np.geomspace(130, 2000, 8):
        chosen = set(policy.assign(batch, budget * 80).arms.tolist())
        assert any(chosen <= ladder for ladder in ladders)


def _models(policy: MarginalGain) -> list[tuple[tuple[str, str], ...]]:
    return list(dict.fromkeys(arm.models for arm in policy.arms))
