from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.optimizers.policies.factorisation import Factorisation, Factors, comparison_loss, fit_factors
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learned = tuple[Lesson, Predictor, Rehearsal]


def test_slopes_are_those_of_the_loss() -> None:
    generator = np.random.default_rng(0)
    matrix, wins = generator.normal(size=(7, 3)), generator.random((7, 4, 4))
    parameters = [generator.normal(size=shape) for shape in ((3, 5), (4, 5), (5,))]
    value, slopes = comparison_loss(parameters, matrix, wins)
    for which, slope in enumerate(slopes):
        for place in np.ndindex(slope.shape):
            moved = [parameter.copy() for parameter in parameters]
            moved[which][place] += 1e-6
            assert (comparison_loss(moved, matrix, wins)[0] - value) / 1e-6 == pytest.approx(slope[place], abs=1e-5)


def test_it_learns_who_wins_where(learn: Callable[[Kind], Learned]) -> None:
    lesson, predictor, _ = learn("specialists")
    parts = [(View(predictor, part.batch()).matrix, part) for part in (lesson.fit, lesson.validation)]
    plain, thinker = lesson.fit.arm("plain-2"), lesson.fit.arm("thinker-2")
    factors = fit_factors(np.array([plain, thinker]), parts[0], parts[1], seed=0)
    test = plant("specialists", 300, seed=9, hidden=0.0)
    strengths = factors.strengths(View(predictor, test.table.batch()).matrix)
    better = test.chances[:, thinker] > test.chances[:, plain]
    assert ((strengths[:, 1] > strengths[:, 0]) == better).mean() > 0.95


def test_only_differences_of_strength_count() -> None:
    factors = Factors(arms=(0, 1), project=np.ones((2, 1)), embeddings=np.array([[1.0], [-1.0]]))
    assert factors.strengths(np.array([[3.0]])).tolist() == [[4.0, -4.0]]


def test_questions_go_to_the_larger_arm_in_the_order_in_which_it_wins(learn: Callable[[Kind], Learned]) -> None:
    policy = Factorisation.from_predictor(*learn("crossing"))
    test = plant("crossing", 600, seed=9, hidden=0.0)
    chosen = policy.assign(test.table.batch(), 300.0 * 600).arms
    cheap, dear = sorted(np.unique(chosen), key=lambda arm: test.costs[:, arm].mean())
    strengths = policy.factors.strengths(View(policy.predictor, test.table.batch()).matrix)
    arms = policy.factors.arms
    wins = strengths[:, arms.index(dear)] - strengths[:, arms.index(cheap)]
    assert wins[chosen == dear].min() >= wins[chosen == cheap].max()
