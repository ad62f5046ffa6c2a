from __future__ import annotations

import numpy as np

from apportion.optimizers.policies.best_route import BestRoute
from apportion.optimizers.policies.logistic import LogisticHeads
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import plant

Learned = tuple[Lesson, Predictor, Rehearsal]


def test_the_cheapest_that_is_likely_enough(small: Learned) -> None:
    """Every arm that was passed over is dearer, or less likely than all chosen ones must be."""
    policy = BestRoute.from_predictor(*small)
    view = View(policy.predictor, plant("crossing", 80, seed=3).table.batch())
    likely = policy.heads.predict(view.matrix)[:, : len(policy.arms)].copy()
    likely[:, policy.references[0]] = 1.0
    chosen = policy.plans(view)[3](260.0 * 80)
    assert chosen is not None
    everyone = np.arange(80)
    cheaper = view.planning < view.planning[everyone, chosen][:, None]
    passed_over = np.where(cheaper, likely, 0.0).max()
    assert passed_over <= likely[everyone, chosen].min()


def test_the_threshold_rises_with_the_budget(small: Learned) -> None:
    policy = BestRoute.from_predictor(*small)
    view = View(policy.predictor, plant("crossing", 80, seed=3).table.batch())
    for plan in policy.plans(view):
        found = [plan(budget * 80) for budget in np.geomspace(130, 3000, 10)]
        spends = [view.planning[np.arange(80), chosen].sum() for chosen in found if chosen is not None]
        assert spends == sorted(spends)


def test_heads_learn_soft_targets() -> None:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(600, 3))
    chances = 1 / (1 + np.exp(-np.column_stack([2 * matrix[:, 0], -matrix[:, 1] + 1])))
    heads = LogisticHeads.fit(matrix[:400], chances[:400], matrix[400:], chances[400:])
    assert np.abs(heads.predict(matrix) - chances).max() < 0.05


def test_a_head_without_anything_to_tell_apart_is_sure() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 3))
    heads = LogisticHeads.fit(matrix, np.ones((50, 1)), matrix, np.ones((50, 1)))
    assert heads.predict(matrix).min() > 0.98
