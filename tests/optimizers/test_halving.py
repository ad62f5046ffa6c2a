from __future__ import annotations

import pytest

from apportion.optimizers.base import Brief, Optimizer
from apportion.optimizers.halving import SuccessiveHalving
from apportion.testing.optimizer import OptimizerConformance, planted_space, race


class TestSuccessiveHalving(OptimizerConformance):
    def make(self, brief: Brief) -> Optimizer:
        return SuccessiveHalving(brief)


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_best_plan_survives_at_a_fraction_of_the_grid(seed: int) -> None:
    space = planted_space()
    search = SuccessiveHalving(Brief(space, tasks=300, affordable=1e9, seed=seed))
    measured = race(search)
    assert max(measured[plan.hash].score for plan in search.survivors(measured)) >= 0.85
    assert sum(len(m.outcomes) for m in measured.values()) < 0.5 * space.size * 300


def test_cheap_plans_stay_on_the_frontier() -> None:
    search = SuccessiveHalving(Brief(planted_space(), tasks=300, affordable=1e9))
    measured = race(search)
    costs = [measured[plan.hash].cost for plan in search.survivors(measured)]
    assert min(costs) <= 48 < max(costs)


def test_what_is_certainly_too_dear_is_dropped() -> None:
    search = SuccessiveHalving(Brief(planted_space(), tasks=300, affordable=100.0))
    measured = race(search)
    assert all(measured[plan.hash].cost <= 100.0 for plan in search.survivors(measured))


def test_the_best_plan_that_the_cap_allows_comes_first() -> None:
    search = SuccessiveHalving(Brief(planted_space(), tasks=300, affordable=100.0))
    measured = race(search)
    first = measured[search.survivors(measured)[0].hash]
    fitting = [m for m in measured.values() if len(m.outcomes) == 300 and m.cost <= 100.0]
    assert first.cost <= 100.0
    assert first.score == max(m.score for m in fitting)


def test_where_nothing_is_affordable_the_cheapest_stays() -> None:
    search = SuccessiveHalving(Brief(planted_space(), tasks=120, affordable=1.0))
    measured = race(search)
    assert next(measured[plan.hash].cost for plan in search.survivors(measured)) == 16.0


def test_a_large_space_begins_with_as_many_plans_as_asked() -> None:
    proposals = SuccessiveHalving(Brief(planted_space(), tasks=120, affordable=1e9, first_plans=20)).propose({})
    assert len({proposal.plan.hash for proposal in proposals}) == 20
    assert all(proposal.tasks == 24 for proposal in proposals)


def test_later_waves_try_neighbours_of_the_survivors() -> None:
    brief = Brief(planted_space(), tasks=120, affordable=1e9, first_plans=12)
    assert len(race(SuccessiveHalving(brief, waves=1))) == 12
    assert len(race(SuccessiveHalving(brief, waves=2))) > 12


def test_a_tiny_dev_set_is_one_rung() -> None:
    measured = race(SuccessiveHalving(Brief(planted_space(), tasks=5, affordable=1e9)))
    assert {len(m.outcomes) for m in measured.values()} == {5}
