from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.base import Brief
from apportion.optimizers.halving import SuccessiveHalving
from apportion.optimizers.measurement import Measurement, Outcome
from apportion.records import Status
from apportion.testing.scripted import ScriptedModel

World = Callable[[Plan, int], tuple[float, float]]
"""Score and cost of a plan on a task."""


def space(*, samples: tuple[int, ...] = (1, 3, 5, 9), caps: tuple[int, ...] = (16, 64, 256)) -> Space:
    graph = Graph("g")
    graph.add(
        "solve", Solver(samples=choose(*samples), max_output_tokens=choose(*caps), style=choose("direct", "think"))
    )
    return graph.space(Pool([ScriptedModel(lambda _: "", name=name) for name in ("small", "large")]))


def race(search: SuccessiveHalving, world: World) -> tuple[dict[str, Measurement], int]:
    """Answers proposals until there are none; returns what was measured and the number of runs."""
    measured: dict[str, Measurement] = {}
    runs = 0
    for _ in range(100):
        proposals = search.propose(measured)
        if not proposals:
            return measured, runs
        for proposal in proposals:
            known = measured.get(proposal.plan.hash)
            start = len(known.outcomes) if known else 0
            outcomes = [
                Outcome(f"t{i}", Status.OK, *world(proposal.plan, i), 0.0) for i in range(start, proposal.tasks)
            ]
            added = Measurement(proposal.plan, tuple(outcomes))
            measured[proposal.plan.hash] = known.then(added) if known else added
            runs += len(outcomes)
    raise AssertionError("the race does not end")


def noisy(plan: Plan, task: int) -> tuple[float, float]:
    """More samples and the large model help; large outputs only cost."""
    samples, cap = plan.values["solve.samples"], plan.values["solve.max_output_tokens"]
    quality = 0.35 + 0.05 * samples + (0.2 if plan.values["solve.model"] == "large" else 0.0)
    luck = random.Random(f"{plan.hash}/{task}").random()
    return float(luck < quality), float(samples * cap)


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_best_plan_survives(seed: int) -> None:
    plans = space()
    search = SuccessiveHalving(Brief(plans, tasks=300, affordable=1e9, seed=seed))
    measured, runs = race(search, noisy)
    best = max(measured[plan.hash].score for plan in search.survivors(measured))
    assert best >= 0.9
    assert runs < 0.6 * plans.size * 300


def test_cheap_plans_stay_on_the_frontier() -> None:
    search = SuccessiveHalving(Brief(space(), tasks=300, affordable=1e9))
    measured, _ = race(search, noisy)
    costs = [measured[plan.hash].cost for plan in search.survivors(measured)]
    assert min(costs) <= 48 < max(costs)


def test_what_is_certainly_too_dear_is_dropped() -> None:
    search = SuccessiveHalving(Brief(space(), tasks=300, affordable=100.0))
    measured, _ = race(search, noisy)
    assert all(measured[plan.hash].cost <= 100.0 for plan in search.survivors(measured))


def test_where_nothing_is_affordable_the_cheapest_stays() -> None:
    search = SuccessiveHalving(Brief(space(), tasks=120, affordable=1.0))
    measured, _ = race(search, noisy)
    assert next(measured[plan.hash].cost for plan in search.survivors(measured)) == 16.0


def test_the_same_measurements_give_the_same_proposals() -> None:
    first = SuccessiveHalving(Brief(space(), tasks=120, affordable=1e9, seed=4))
    second = SuccessiveHalving(Brief(space(), tasks=120, affordable=1e9, seed=4))
    measured, _ = race(first, noisy)
    again, _ = race(second, noisy)
    assert measured == again
    assert list(first.survivors(measured)) == list(second.survivors(again))


def test_a_large_space_begins_with_as_many_plans_as_asked() -> None:
    search = SuccessiveHalving(Brief(space(), tasks=120, affordable=1e9, first_plans=20))
    proposals = search.propose({})
    assert len({proposal.plan.hash for proposal in proposals}) == 20
    assert all(proposal.tasks == 12 for proposal in proposals)


def test_later_waves_try_neighbours_of_the_survivors() -> None:
    plans = space(samples=(1, 2, 3, 4, 5, 6, 7, 8, 9))
    search = SuccessiveHalving(Brief(plans, tasks=120, affordable=1e9, first_plans=12))
    measured, _ = race(search, noisy)
    assert len(measured) > 12


def test_a_tiny_dev_set_is_one_rung() -> None:
    search = SuccessiveHalving(Brief(space(), tasks=5, affordable=1e9))
    measured, _ = race(search, noisy)
    assert {len(m.outcomes) for m in measured.values()} == {5}
