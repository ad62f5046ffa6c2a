"""What a study tells of the gates of its plan, with what it can pay, and what it says where it cannot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apportion import Cap, Gate, Graph, Pool, Solver, Task, Verifier, choose, optimize, optimize_async
from apportion.budgets.books import MemoryStore
from apportion.errors import SpendExhausted
from apportion.graphs.gate import GateReading
from apportion.models.request import Request
from apportion.optimizers.analysis.gate_openings import GateReport
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.study.cost_forecast import CostForecast
from apportion.optimizers.study.gate_phase import gates_of
from apportion.optimizers.study.report import StudyReport
from apportion.optimizers.study.spec import StudySpec
from apportion.records.status import Status
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

TASKS = [Task(question=f"Is #{n}? so", gold="no" if n % 12 and not n % 4 else "yes") for n in range(120)]


def number(request: Request) -> int:
    return int(request.messages[-1].content.split("#")[1].split("?")[0])


def small(request: Request) -> str:
    """Its samples differ on every fourth question."""
    return f"Answer: {'yes' if number(request) % 4 or not request.sample else 'no'}"


def large(request: Request) -> str:
    """Right where the small one is unsure, wrong elsewhere."""
    return f"Answer: {'no' if number(request) % 12 else 'yes'}"


def graph(gate: Gate, *, optional: bool = True) -> Graph:
    made = Graph("gated").add("small", Solver(model="small", samples=3, max_output_tokens=20))
    made.add("large", Solver(model="large", max_output_tokens=20)).add("pick", Verifier(method="last"))
    made.connect("small", "large", when=gate, forward="none", optional=optional)
    return made.connect("small", "pick").connect("large", "pick")


def studied(made: Graph, *, spend: float = 10**6, **more: Any) -> StudyReport:
    pool = Pool([ScriptedModel(small, name="small"), ScriptedModel(large, name="large")])
    return optimize(made, TASKS, pool, cap=Cap(total=10**6), spend=spend, policies=(), **more)


def test_a_study_measures_the_twins_of_its_gate_on_validation_and_never_on_test() -> None:
    store = MemoryStore()
    report = studied(graph(Gate("confidence", below=choose(0.9, 0.1))), store=store)
    (gate,) = report.gates
    assert gate.opens == "below 0.9"
    assert gate.n == gate.runs == report.tasks["validation"]
    assert gate.untold == ""
    assert gate.brought is not None
    assert gate.saved is not None
    assert gate.lost is not None
    assert gate.brought.mean == pytest.approx(gate.opened / gate.runs * 2 / 3, abs=0.13)
    assert gate.saved.low > 0
    assert gate.lost.high < 0
    assert gate.score_open == 1.0
    plans = {trial.plan_hash for trial in store.trials(report.study_id) if trial.part == "test"}
    tested = {plan.plan_hash for plan in report.frontier if plan.test is not None}
    assert plans == tested


def test_a_study_that_is_started_again_says_the_same_and_pays_nothing() -> None:
    store, made = MemoryStore(), graph(Gate("confidence", below=choose(0.9, 0.1)))
    first = studied(made, store=store)
    second = studied(made, store=store)
    assert second.gates == first.gates
    assert second.paid == first.paid
    assert [plan.plan_hash for plan in second.frontier] == [plan.plan_hash for plan in first.frontier]


def trials(store: MemoryStore, report: StudyReport) -> set[tuple[Any, ...]]:
    """What a study measured, with what came of it."""
    rows = store.trials(report.study_id)
    return {(row.plan_hash, row.part, row.rung, row.tasks, row.score, row.charged, row.state) for row in rows}


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_study_that_was_stopped_half_way_measures_the_plans_that_it_would_have_measured(share: float) -> None:
    """What it expects of gates, and takes for paid, hangs on what was measured alone, not on when it began."""
    made = graph(Gate("confidence", below=choose(0.9, 0.7, 0.1)))
    store, calls = MemoryStore(), 0
    whole = studied(made, store=store)
    sent = sum(not call.cached for run in store.runs() for call in store.calls(run.run_id))
    again = MemoryStore()

    async def stopped() -> None:
        nonlocal calls
        study: asyncio.Task[StudyReport]

        def counted(script: Any) -> Any:
            def reply(request: Request) -> str:
                nonlocal calls
                calls += 1
                if calls > share * sent:
                    study.cancel()
                return str(script(request))

            return reply

        pool = Pool([ScriptedModel(counted(small), name="small"), ScriptedModel(counted(large), name="large")])
        study = asyncio.ensure_future(
            optimize_async(made, TASKS, pool, cap=Cap(total=10**6), spend=10**6, policies=(), store=again)
        )
        with pytest.raises(asyncio.CancelledError):
            await study

    asyncio.run(stopped())
    resumed = studied(made, store=again)
    assert trials(again, resumed) == trials(store, whole)
    assert (resumed.chosen, resumed.gates) == (whole.chosen, whole.gates)


def test_of_a_gate_without_a_choice_only_the_shut_twin_is_told() -> None:
    (gate,) = studied(graph(Gate("confidence", below=0.9))).gates
    assert gate.untold == "its threshold is no choice, so no plan has it always open"
    assert (gate.saved, gate.lost) == (None, None)
    assert gate.brought is not None
    assert gate.n == gate.runs


def test_where_no_plan_leaves_the_gate_out_what_it_brought_is_not_told() -> None:
    (gate,) = studied(graph(Gate("confidence", below=choose(0.9, 0.1)), optional=False)).gates
    assert gate.brought is None
    assert gate.saved is not None
    assert gate.untold == "no plan leaves out what it leads to, and that alone; mark the edge optional"


class Broke:
    """An evaluator that has measured some plans, and can pay for no more."""

    def __init__(self, *known: Measurement) -> None:
        self.known = {each.plan.hash: each for each in known}
        self.asked = 0

    def measured(self, part: str) -> dict[str, Measurement]:
        return self.known if part == "validation" else {}

    async def measure(self, proposals: Any, part: str) -> Any:
        self.asked += 1
        raise SpendExhausted("study/x/gates")


def told(gate: Gate, room: float, *, measured: bool = False, threshold: float | None = 0.9) -> tuple[GateReport, int]:
    """What is told of a gate that was open on 10 of 30 questions, and how often the evaluator was asked."""
    made = graph(gate)
    pool = Pool([ScriptedModel(small, name="small"), ScriptedModel(large, name="large")])
    space = made.space(pool)
    plan = space.plan({"small->large.when": threshold} if "small->large.when" in space.knobs else {})
    value: Any = (lambda n: n < 10) if gate.signal == "rejected" else (lambda n: 0.1 if n < 10 else 1.0)
    outcomes = tuple(
        Outcome(
            f"t{n}", Status.OK, 1.0, 400.0 if n < 10 else 300.0, 0.0, gates=(GateReading("small->large", value(n)),)
        )
        for n in range(30)
    )
    chosen = Measurement(plan, outcomes)
    shut = Measurement(space.plan(edges=[]), tuple(replace(each, score=0.5, cost=300.0) for each in outcomes[:20]))
    spec = StudySpec(
        graph=made,
        space=space,
        tasks=tuple(TASKS),
        pool=pool,
        cap=Cap(total=10**6),
        spend=10**6,
        store=MemoryStore(),
        seed=0,
        scorer=resolve_metric("auto"),
        metric="auto",
        make_optimizer=Racing,
        optimizer="racing",
    )
    evaluator: Any = Broke(chosen, *([shut] if measured else []))
    forecast = CostForecast(made, pool, TASKS[0], "tokens")
    (found,) = asyncio.run(gates_of(spec, chosen, evaluator, forecast, room))
    return found, evaluator.asked


NO_ROOM = "a fifth of the spend is not enough to run its twins"


@pytest.mark.parametrize(("room", "asked"), [(0.0, 0), (2000.0, 0), (10_000.0, 1)])
def test_where_the_spend_does_not_reach_nothing_is_claimed_and_the_report_says_why(room: float, asked: int) -> None:
    """Behind the gate a run pays 100, on two thirds of the questions: 67 on each of 24 at least."""
    found, times = told(Gate("confidence", below=choose(0.9, 0.1)), room)
    assert (found.brought, found.saved, found.lost, found.n) == (None, None, None, 0)
    assert (found.runs, found.opened, found.untold, times) == (30, 10, NO_ROOM, asked)


def test_a_twin_that_was_measured_anyway_is_told_on_the_questions_that_it_ran_on() -> None:
    found, _ = told(Gate("confidence", below=choose(0.9, 0.1)), 0.0, measured=True)
    assert found.brought is not None
    assert (found.brought.mean, found.n, found.saved, found.lost, found.untold) == (0.5, 20, None, None, NO_ROOM)


def test_a_signal_without_a_threshold_has_no_open_twin() -> None:
    found, asked = told(Gate("rejected"), 0.0, measured=True)
    assert found.untold == "its signal has no threshold, so no plan has it always open"
    assert (found.n, asked) == (20, 0)


def test_a_plan_that_has_its_gate_always_open_has_no_other_open_twin() -> None:
    found, asked = told(Gate("confidence", below=choose(0.9, 0.1)), 0.0, measured=True, threshold=None)
    assert found.untold == "the plan has it always open"
    assert (found.n, asked) == (20, 0)
