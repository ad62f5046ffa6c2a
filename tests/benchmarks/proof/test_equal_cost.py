from __future__ import annotations

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


def test_the_cost_is_met_in_every_draw() -> None:
    policy = StaticMix.fit(_LESSON)
    pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, 250.0)
    low_score, low_cost, high_score, high_cost = Statistic.means(pair.columns, _RESAMPLE)
    wanted = Statistic(250.0, 250.0 + np.linspace(-5, 5, 100), np.full(400, 250.0))
    found = at_cost({"other": pair, "it": pair}, wanted, _RESAMPLE)["it"]
    share = (wanted.draws - low_cost.draws) / (high_cost.draws - low_cost.draws)
    assert found.draws == pytest.approx(low_score.draws + share * (high_score.draws - low_score.draws))


def test_scores_do_not_choose() -> None:
    policy = StaticMix.fit(_LESSON)
    pair = neighbours(policy, _TEST, _TEST.batch(), 250.0, 220.0)
    lucky = plant("crossing", 400, seed=2).table
    lucky.scores[:200] = 1.0
    other = neighbours(policy, lucky, lucky.batch(), 250.0, 220.0)
    assert np.array_equal(pair.low.arms, other.low.arms)
    assert np.array_equal(pair.high.arms, other.high.arms)
