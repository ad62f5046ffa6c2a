from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apportion.budgets.cap import Cap
from apportion.errors import SpendExhausted
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.search.base import Proposal
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.study.cost_forecast import CostForecast
from apportion.optimizers.study.thin_spend import Fallback, fallback, likeliest
from apportion.records import Status, Task
from apportion.testing.scripted import ScriptedModel

POOL = Pool([ScriptedModel(lambda request: "Answer: yes", name="m", card=ModelCard(name="m", provider="scripted"))])
GRAPH = Graph("thin")
GRAPH.add("solve", Solver(model="m", max_output_tokens=choose(40, 60, 80)))
PLANS = list(GRAPH.space(POOL))
FORECAST = CostForecast(GRAPH, POOL, Task(question="q", gold="yes"), "tokens")


def measured(plan: Plan, *scores: float, cost: float = 5.0, status: Status = Status.OK) -> Measurement:
    return Measurement(plan, tuple(Outcome(f"t{i}", status, score, cost, 0.0) for i, score in enumerate(scores)))


class Counting:
    """Measures as long as it can pay for runs."""

    def __init__(self, runs: int, seen: dict[str, Measurement] | None = None) -> None:
        self.runs = runs
        self.interrupted: dict[str, Measurement] = seen or {}
        self.fit: dict[str, Measurement] = {}

    def measured(self, part: str) -> dict[str, Measurement]:
        return self.fit

    async def measure(self, proposals: Any, part: str) -> None:
        for proposal in proposals:
            known = len(self.fit[proposal.plan.hash].outcomes) if proposal.plan.hash in self.fit else 0
            self.runs -= proposal.tasks - known
            if self.runs < 0:
                raise SpendExhausted("study")
            good = proposal.plan == PLANS[1]
            self.fit[proposal.plan.hash] = measured(proposal.plan, *[float(good)] * proposal.tasks)


def tried(evaluator: Any, affordable: float = 1e6) -> Fallback:
    return asyncio.run(fallback(evaluator, [Proposal(plan, 24) for plan in PLANS], FORECAST, affordable))


def test_each_plan_is_tried_a_little_and_the_best_is_taken() -> None:
    evaluator = Counting(7)
    found = tried(evaluator)
    assert found.plan == PLANS[1]
    assert {len(each.outcomes) for each in evaluator.fit.values()} == {2}
    assert "a score of 1.00 on 2 tasks, nothing on validation or test" in found.note
    assert found.plan.hash[:8] in found.note


def test_where_nothing_was_run_the_first_plan_that_the_cap_affords_is_left() -> None:
    found = tried(Counting(0))
    assert (found.plan, found.seen) == (PLANS[0], None)
    assert "no plan has answered a task yet" in found.note
    dear = [plan for plan in PLANS if FORECAST.charged(plan) > FORECAST.charged(PLANS[0])]
    assert tried(Counting(0), FORECAST.charged(PLANS[0])).plan not in dear


@pytest.mark.parametrize(
    ("seen", "best"),
    [
        ([measured(PLANS[0], 1.0), measured(PLANS[1], 1.0, 1.0, 0.0, 1.0)], 1),
        ([measured(PLANS[0], 0.0, cost=3.0), measured(PLANS[1], 0.0)], 0),
        ([measured(PLANS[0], 1.0, cost=500.0), measured(PLANS[1], 0.0)], 1),
        ([measured(PLANS[0], 0.0, cost=1.0, status=Status.PARSE_ERROR), measured(PLANS[1], 0.0)], 1),
    ],
)
def test_the_likeliest_plan_answers_is_affordable_and_was_not_lucky_once(seen: list[Measurement], best: int) -> None:
    evaluator: Any = Counting(0, {found.plan.hash: found for found in seen})
    found = likeliest(evaluator, 100.0)
    assert found is not None
    assert found.plan == PLANS[best]


def test_runs_of_interrupted_trials_count_with_those_of_whole_ones() -> None:
    evaluator: Any = Counting(0, {PLANS[0].hash: measured(PLANS[0], 1.0)})
    evaluator.fit = {PLANS[0].hash: measured(PLANS[0], 0.0, 0.0)}
    found = likeliest(evaluator, 100.0)
    assert found is not None
    assert found.scores.tolist() == [0.0, 0.0, 1.0]
    assert likeliest(Counting(0), 100.0) is None  # type: ignore[arg-type]


def test_a_study_of_a_spend_that_pays_for_nothing_still_leaves_a_policy() -> None:
    from apportion.optimizers.study.optimize import optimize

    tasks = [Task(question=f"Is {i} fine?", gold="yes") for i in range(40)]
    report = optimize(GRAPH, tasks, POOL, cap=Cap(total=1e6), spend=1, policies=())
    assert (report.frontier, report.chosen, report.paid) == ((), None, 0)
    assert report.policy is not None
    assert report.policy.invoke("Is 7 fine?").answer == "yes"
    assert any("no plan has answered a task yet" in note for note in report.notes)


@pytest.mark.parametrize("spend", [0, 200, 600, 700, 1000, 2000, 3500])
def test_a_study_of_any_thin_spend_ends_with_a_policy_and_says_why_none_was_compared(spend: int) -> None:
    from apportion.optimizers.study.optimize import optimize

    pool = Pool([ScriptedModel(lambda request: "Answer: yes", name=name) for name in "ab"])
    graph = Graph("thin").add("solve", Solver(style="direct", samples=choose(1, 3), max_output_tokens=32))
    tasks = [Task(question=f"Is {i} fine?", gold="yes") for i in range(100)]
    report = optimize(graph, tasks, pool, cap=Cap(total=40_000), spend=spend)
    assert report.paid <= spend
    assert report.policy is not None
    # From 700 on, a plan meets validation after its trial on fit was cut short.
    told = any(note.startswith("policies: the spend did not reach") for note in report.notes)
    assert (report.policies, told) == (None, spend >= 700)
