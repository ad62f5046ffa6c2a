from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.policies.static import Static, StaticMix
from apportion.testing.planted import plant, planted_lesson
from benchmarks.proof.mixture import Mixture, Sweep, executed, sweep_of

_SWEEP = Sweep(
    budgets=np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    costs=np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    scores=np.array([0.2, 0.3, 0.6, 0.55, 0.7]),
)


def test_the_hull_leaves_out_what_lies_below_it() -> None:
    assert _SWEEP.hull() == [0, 2, 4]


def test_a_cost_between_two_points_is_a_mixture_of_their_budgets() -> None:
    mixture = _SWEEP.at(2.5)
    assert (mixture.low, mixture.high) == (1.0, 3.0)
    assert mixture.share == pytest.approx(0.75)
    assert mixture.slope == pytest.approx(0.2)


@pytest.mark.parametrize(("cost", "budget"), [(0.5, 1.0), (9.0, 5.0)])
def test_beyond_the_hull_its_end_is_taken(cost: float, budget: float) -> None:
    assert _SWEEP.at(cost) == Mixture(budget, budget, 0.0, 0.0)


def test_a_mixture_is_executed_question_by_question() -> None:
    lesson = planted_lesson("crossing", 250.0, fit=300, validation=200, seed=1)
    policy, test = Static.fit(lesson), plant("crossing", 800, seed=2).table
    sweep = sweep_of(policy, lesson.validation, lesson.validation.batch(), (250.0,))
    assert (np.diff(sweep.costs) >= 0).all()
    mixture = sweep.at(300.0)
    mixed = executed(policy, test, test.batch(), mixture, seed=0)
    assert len(np.unique(mixed.arms)) == 2
    dear = mixed.arms == mixed.arms[np.argmax(mixed.expected)]
    assert dear.mean() == pytest.approx(mixture.share, abs=0.06)
    assert mixed.costs.mean() == pytest.approx(300.0, rel=0.06)
    again = executed(policy, test.take(np.arange(100)), test.take(np.arange(100)).batch(), mixture, seed=0)
    assert np.array_equal(again.arms, mixed.arms[:100]), "a question's side does not depend on the others"
    assert not np.array_equal(executed(policy, test, test.batch(), mixture, seed=1).arms, mixed.arms)


def test_a_sweep_of_the_static_mixture_has_no_corner_to_gain() -> None:
    lesson = planted_lesson("crossing", 250.0, fit=300, validation=200, seed=3)
    policy = StaticMix.fit(lesson)
    sweep = sweep_of(policy, lesson.validation, lesson.validation.batch(), (250.0,))
    assert len(sweep.hull()) >= 3
