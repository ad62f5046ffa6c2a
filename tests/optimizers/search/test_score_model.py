from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.optimizers.search.score_model import ScoreModel, believe, normal

PLANS = [(a, b, c) for a in range(3) for b in range(4) for c in range(2)]
TASKS, FAMILIES = 60, np.arange(60) % 2


def features() -> NDArray[np.float64]:
    """The level, and one feature for each value of three knobs."""
    found = np.zeros((len(PLANS), 10))
    found[:, 0] = 0.3
    for row, (a, b, c) in enumerate(PLANS):
        found[row, [1 + a, 4 + b, 8 + c]] = 0.1
    return found


def planted(seed: int) -> NDArray[np.float64]:
    """(plans, tasks): the second value of the last knob helps the second family and hurts the first."""
    generator = np.random.default_rng(seed)
    chance = np.array([[0.2 + 0.15 * a + 0.05 * b + (0.3 * f - 0.15) * c for f in FAMILIES] for a, b, c in PLANS])
    return (generator.random(TASKS) < chance).astype(np.float64)


def told(scores: NDArray[np.float64], seen: NDArray[np.intp]) -> ScoreModel:
    return believe(features(), np.where(np.arange(TASKS) < seen[:, None], scores, 0.0), seen, FAMILIES)


@pytest.mark.parametrize("seed", range(5))
def test_plans_that_nobody_measured_are_foreseen(seed: int) -> None:
    scores = planted(seed)
    seen = np.where(np.arange(len(PLANS)) % 3, 40, 0)
    belief = told(scores, seen)
    true = scores.mean(axis=1)
    assert np.abs(belief.means - true)[seen == 0].mean() < 0.05
    assert np.corrcoef(belief.means[seen == 0], true[seen == 0])[0, 1] > 0.9


def test_what_met_all_tasks_is_known() -> None:
    scores = planted(0)
    seen = np.where(np.arange(len(PLANS)) < 5, TASKS, 6)
    belief = told(scores, seen)
    assert belief.means[:5] == pytest.approx(scores[:5].mean(axis=1))
    same = belief.expected_improvement(0, np.zeros(len(PLANS)))[:5]
    assert same == pytest.approx(np.maximum(scores[:5].mean(axis=1) - scores[0].mean(), 0), abs=1e-3)


def test_more_tasks_leave_less_to_gain() -> None:
    scores = planted(1)
    few, many = (told(scores, np.full(len(PLANS), tasks)) for tasks in (4, 50))
    leader = int(scores.mean(axis=1).argmax())
    equal = np.zeros(len(PLANS))
    assert many.expected_improvement(leader, equal).max() < few.expected_improvement(leader, equal).max()


def test_a_dearer_plan_has_less_to_gain() -> None:
    belief = told(planted(2), np.full(len(PLANS), 10))
    gains = [belief.expected_improvement(3, np.full(len(PLANS), price)) for price in (0.0, 0.1)]
    assert (gains[1] < gains[0]).all()
    assert (gains[1] >= 0).all()


def test_families_are_told_apart() -> None:
    """The first tasks are all of one family: what a setting does there is not all that it does."""
    generator = np.random.default_rng(3)
    families = np.repeat([0, 1], 30)
    scores = (generator.random(60) < np.where(np.arange(len(PLANS))[:, None] % 2, 0.9, 0.3)).astype(np.float64)
    seen = np.full(len(PLANS), 30)
    known = np.where(np.arange(60) < 30, scores, 0.0)
    apart, alike = (believe(features(), known, seen, kinds) for kinds in (families, np.zeros(60, np.intp)))
    spread = [belief.covariance.trace() for belief in (apart, alike)]
    assert spread[0] > spread[1]


def test_the_normal_distribution() -> None:
    assert normal(np.array([-1.96, 0.0, 1.96])) == pytest.approx([0.025, 0.5, 0.975], abs=1e-4)
