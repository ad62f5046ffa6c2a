from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest

from apportion.graphs.gate import Gate, GateReading
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.racing import Racing
from apportion.records.status import Status
from apportion.testing.optimizer import OptimizerConformance, planted_space, race
from apportion.testing.scripted import ScriptedModel


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


def gated_space() -> Space:
    """A cheap model, and a dear one where the cheap one is unsure."""
    graph = Graph("gated").add("cheap", Solver(model="m")).add("dear", Solver(model="m", samples=choose(1, 3)))
    graph.add("pick", Verifier(method="last")).connect("cheap", "pick").connect("dear", "pick")
    gate = Gate("confidence", below=choose(0.9, 0.7, 0.5, 0.3, 0.1))
    graph.connect("cheap", "dear", when=gate, optional=True, forward="none")
    return graph.space(Pool([ScriptedModel(lambda _: "", name="m")]))


def gated_outcome(plan: Plan, task: int) -> Outcome:
    """The cheap one is right where it is sure, above 0.5; the dear one is right everywhere."""
    sure = (task * 7 % 20) / 20
    if not plan.edges:
        return Outcome(f"t{task}", Status.OK, float(sure > 0.5), 10.0, 0.0)
    threshold = plan.values["cheap->dear.when"]
    opened = threshold is None or sure < threshold
    cost = 10.0 + 100.0 * plan.values["dear.samples"] * opened
    return Outcome(
        f"t{task}", Status.OK, float(opened or sure > 0.5), cost, 0.0, gates=(GateReading("cheap->dear", sure),)
    )


def paid(measured: Iterable[Measurement]) -> float:
    """What measuring paid: of each draw on each task once."""
    calls: set[tuple[str, int]] = set()
    for each in measured:
        for task, outcome in enumerate(each.outcomes):
            draws = round((outcome.cost - 10) / 100)
            calls |= {("cheap", task), *((f"dear {draw}", task) for draw in range(draws))}
    return float(sum(10 if name == "cheap" else 100 for name, _ in calls))


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_of_a_gate_share_their_calls_and_the_right_one_is_found(seed: int) -> None:
    space = gated_space()
    search = Racing(ProblemSpec(space, tasks=100, affordable=1e9, seed=seed, spend=14_000.0))
    measured: dict[str, Measurement] = {}
    while proposals := search.propose(measured):
        for proposal in proposals:
            outcomes = tuple(gated_outcome(proposal.plan, task) for task in range(proposal.tasks))
            measured[proposal.plan.hash] = Measurement(proposal.plan, outcomes)
        if paid(measured.values()) > 14_000:
            break
    survivors = search.survivors(measured)
    assert len(measured) == space.size
    best = max((measured[plan.hash] for plan in survivors), key=lambda m: (m.score, -m.cost))
    assert best.score == 1.0
    assert best.plan.values == {"cheap->dear.when": 0.7, "dear.samples": 1}
