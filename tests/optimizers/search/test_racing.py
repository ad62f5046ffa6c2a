from __future__ import annotations

from itertools import count

import pytest

from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.measurement import Measurement
from apportion.optimizers.search.racing import Racing
from apportion.testing.optimizer import OptimizerConformance, planted_space, race


class TestRacing(OptimizerConformance):
    def make(self, spec: ProblemSpec) -> Optimizer:
        return Racing(spec)


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_best_plan_survives_at_a_fraction_of_the_grid(seed: int) -> None:
    space = planted_space()
    search = Racing(ProblemSpec(space, tasks=300, affordable=1e9, seed=seed))
    measured = race(search)
    assert max(measured[plan.hash].score for plan in search.survivors(measured)) >= 0.85
    assert sum(len(m.outcomes) for m in measured.values()) < 0.5 * space.size * 300


def test_cheap_plans_stay_on_the_frontier() -> None:
    search = Racing(ProblemSpec(planted_space(), tasks=300, affordable=1e9))
    measured = race(search)
    costs = [measured[plan.hash].cost for plan in search.survivors(measured)]
    assert min(costs) <= 48 < max(costs)


def test_what_is_certainly_too_dear_is_dropped() -> None:
    search = Racing(ProblemSpec(planted_space(), tasks=300, affordable=100.0))
    measured = race(search)
    assert all(measured[plan.hash].cost <= 100.0 for plan in search.survivors(measured))


def test_the_best_plan_that_the_cap_allows_comes_first() -> None:
    search = Racing(ProblemSpec(planted_space(), tasks=300, affordable=100.0))
    measured = race(search)
    first = measured[search.survivors(measured)[0].hash]
    fitting = [m for m in measured.values() if len(m.outcomes) == 300 and m.cost <= 100.0]
    assert first.cost <= 100.0
    assert first.score == max(m.score for m in fitting)


def test_where_nothing_is_affordable_the_cheapest_stays() -> None:
    search = Racing(ProblemSpec(planted_space(), tasks=120, affordable=1.0))
    measured = race(search)
    assert next(measured[plan.hash].cost for plan in search.survivors(measured)) == 16.0


def test_a_tiny_dev_set() -> None:
    search = Racing(ProblemSpec(planted_space(), tasks=5, affordable=1e9))
    measured = race(search)
    assert {len(m.outcomes) for m in measured.values()} == {5}


def test_a_stopped_race_goes_on_where_it_stopped() -> None:
    spec = ProblemSpec(planted_space(), tasks=60, affordable=200.0, seed=3, spend=2e4, families=("even", "odd") * 30)
    whole = race(Racing(spec))
    search, measured = Racing(spec), dict[str, Measurement]()
    for turn in count():
        proposals = search.propose(measured)
        if not proposals:
            break
        for proposal in proposals:
            measured[proposal.plan.hash] = whole[proposal.plan.hash].first(proposal.tasks)
        if turn % 8 == 7:
            search = Racing(spec)
    assert measured == whole
    assert search.survivors(measured) == Racing(spec).survivors(whole)
