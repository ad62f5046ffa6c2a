from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.optimizers.policies.static import Static, StaticMix
from apportion.testing.planted import plant, planted_lesson
from benchmarks.proof.draws import Resample, Statistic
from benchmarks.proof.equal_cost import at_cost, neighbours
from benchmarks.proof.paths import choice_of

_TEST = plant("crossing", 400, seed=2).table
_LESSON = planted_lesson("crossing", 250.0, fit=300, validation=200, seed=1)
_RESAMPLE = Resample(400, 100, 0)


def _cost(value: float) -> Statistic:
    return Statistic(value, np.full(100, value), np.full(400, value))


def test_neighbours_lie_around_the_cost_and_near_each_other() -> None:
    policy = StaticMix.fit(_LESSON)
    for cost in (150.0, 250.0, 400.0):
        pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, cost)
        low, high = pair.low.costs.mean(), pair.high.costs.mean()
        assert low <= cost < high < 1.5 * low
        assert (1 - pair.share(cost)) * low + pair.share(cost) * high == pytest.approx(cost)
        assert pair.cost(cost) == cost


def test_a_policy_at_its_own_cost_is_itself() -> None:
    policy = StaticMix.fit(_LESSON)
    own = choice_of(policy, _TEST, _TEST.batch(), 250.0)
    pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, float(own.costs.mean()))
    assert pair.share(float(own.costs.mean())) == 0
    found = at_cost({"it": pair}, _cost(float(own.costs.mean())), _RESAMPLE)["it"]
    assert found.estimate == pytest.approx(own.scores.mean())


@pytest.mark.parametrize(("cost", "end"), [(0.5, "low"), (1e9, "high")])
def test_where_no_budget_meets_the_cost_the_end_of_the_dial_is_taken(cost: float, end: str) -> None:
    pair = neighbours(Static.fit(_LESSON), _TEST, _TEST.batch(), 250.0, cost)
    assert pair.low is pair.high
    assert pair.share(cost) == 0
    costs = _TEST.mean_costs.mean(axis=0)
    assert pair.cost(cost) == pytest.approx(costs.min() if end == "low" else pair.high.costs.mean())
    assert (pair.cost(cost) > cost) == (end == "low")


def test_steps_are_mixed_where_a_policy_has_nothing_between() -> None:
    policy, cost = Static.fit(_LESSON), 300.0
    pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, cost)
    assert len(np.unique(pair.low.arms)) == len(np.unique(pair.high.arms)) == 1
    found = at_cost({"it": pair}, _cost(cost), _RESAMPLE)["it"]
    share = pair.share(cost)
    assert found.estimate == pytest.approx((1 - share) * pair.low.scores.mean() + share * pair.high.scores.mean())


def test_what_a_draw_costs_too_little_or_too_much_is_made_up_for_by_the_slope() -> None:
    policy = StaticMix.fit(_LESSON)
    pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, 250.0)
    assert 0 < pair.slope < 0.01
    columns = pair.columns @ np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]) * (1 - pair.share(250.0))
    columns += pair.columns @ np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) * pair.share(250.0)
    score, spent = Statistic.means(columns, _RESAMPLE)
    wanted = Statistic(250.0, 250.0 + np.linspace(-5, 5, 100), np.full(400, 250.0))
    found = at_cost({"other": pair, "it": pair}, wanted, _RESAMPLE)["it"]
    assert found.estimate == pytest.approx(score.estimate)
    assert found.draws == pytest.approx(score.draws + pair.slope * (wanted.draws - spent.draws))


def test_a_dial_that_hardly_moves_has_no_wild_slope() -> None:
    """Two budgets whose costs differ by next to nothing say nothing of what cost buys."""
    still = replace(_TEST, costs=250.0 + 1e-6 * _TEST.costs)
    policy = Static.fit(_LESSON)
    own = choice_of(policy, still, still.batch(), 250.0)
    pair = neighbours(policy, still, still.batch(), 250.0, float(own.costs.mean()) + 1e-7)
    wanted = Statistic(float(own.costs.mean()) + 1e-7, np.full(100, 260.0), np.full(400, 250.0))
    found = at_cost({"it": pair}, wanted, _RESAMPLE)["it"]
    assert pair.slope == 0
    assert np.abs(found.draws - found.estimate).max() < 0.2


def test_scores_do_not_choose() -> None:
    policy = StaticMix.fit(_LESSON)
    pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, 220.0)
    lucky = plant("crossing", 400, seed=2).table
    lucky.scores[:200] = 1.0
    other = neighbours(policy, lucky, lucky.batch(), 250.0, 220.0)
    assert np.array_equal(pair.low.arms, other.low.arms)
    assert np.array_equal(pair.high.arms, other.high.arms)
