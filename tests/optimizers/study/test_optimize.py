from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import BudgetBreach, CallFailed, Infeasible, SpendExhausted, UnknownName, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.function import Function
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.measurement import Measurement
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.serving.policy import DeployedPolicy
from apportion.optimizers.study.optimize import optimize, optimize_async
from apportion.optimizers.study.report import StudyReport
from apportion.optimizers.study.reporter import Announcement, Progress
from apportion.records import Amount, Status, StudyStore, Task, Usage
from apportion.stores.opening import open_store
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, max_output_tokens=200)


def expert(request: Request) -> str:
    """Right on even questions at once, on odd ones only when it may write at length."""
    number = int("".join(filter(str.isdigit, request.messages[-1].content)))
    right = number % 2 == 0 or request.max_output_tokens > 100
    return ("step " * 8 + "\n" if request.max_output_tokens > 100 else "") + f"Answer: {'yes' if right else 'no'}"


def novice(request: Request) -> str:
    return "Answer: no"


class Bench:
    """A pool of planted models, a graph with one good and one useless edge, and 120 tasks."""

    def __init__(self) -> None:
        self.models = [
            ScriptedModel(novice, name="novice", card=CARD),
            ScriptedModel(expert, name="expert", card=CARD),
        ]
        self.pool = Pool(self.models)
        self.graph = Graph("bench")
        self.graph.add("solve", Solver(style="think", max_output_tokens=choose(20, 120)))
        self.graph.add("useless", Solver(model="novice", style="think", max_output_tokens=40))
        self.graph.add("judge", Verifier(method="vote", model="novice"))
        self.graph.connect("solve", "judge")
        self.graph.connect("useless", "judge", optional=True)
        self.tasks = [Task(question=f"Is {i} fine?", gold="yes") for i in range(120)]

    @property
    def calls(self) -> int:
        return sum(len(model.requests) for model in self.models)

    def optimize(self, store: StudyStore | None = None, cap: float = 1e6, spend: float = 1e6) -> StudyReport:
        return optimize(self.graph, self.tasks, self.pool, cap=Cap(total=cap), spend=spend, store=store, policies=())


class Listener:
    def __init__(self, calls_so_far: Bench) -> None:
        self.bench = calls_so_far
        self.announced: list[Announcement] = []
        self.calls_at_announcement = -1
        self.steps: list[Progress] = []
        self.reports: list[StudyReport] = []

    def announce(self, announcement: Announcement) -> None:
        self.announced.append(announcement)
        self.calls_at_announcement = self.bench.calls

    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def finish(self, report: StudyReport) -> None:
        self.reports.append(report)


def test_finds_the_planted_best_plan_and_cuts_the_useless_edge() -> None:
    report = Bench().optimize()
    best = report.best
    assert best is not None
    assert best.plan["values"] == {"solve.max_output_tokens": 120, "solve.model": "expert"}
    assert best.plan["edges"] == []
    assert best.test is not None
    assert (best.validation.score, best.test.score, best.test.coverage) == (1.0, 1.0, 1.0)
    cheaper = report.frontier[0]
    assert cheaper.validation.score < 0.8
    assert cheaper.validation.cost < best.validation.cost
    assert report.tasks == {"fit": 60, "validation": 24, "test": 36}


def test_a_tighter_cap_chooses_the_cheaper_plan_and_holds_on_test() -> None:
    free = Bench().optimize()
    dear, cheap = free.frontier[-1].validation.cost, free.frontier[0].validation.cost
    store = MemoryStore()
    bench = Bench()
    report = optimize(
        bench.graph,
        bench.tasks,
        bench.pool,
        cap=Cap(total=120 * (dear + cheap) / 2),
        spend=1e6,
        store=store,
        policies=(),
    )
    best = report.best
    assert best is not None
    assert best.plan["values"]["solve.max_output_tokens"] == 20
    assert best.test is not None
    assert best.test.cost * 36 <= 120 * (dear + cheap) / 2 * 36 / 120


def test_tells_what_it_may_spend_before_the_first_call() -> None:
    bench = Bench()
    listener = Listener(bench)
    optimize(bench.graph, bench.tasks, bench.pool, cap=Cap(total=1e6), spend=50_000, reporter=listener, policies=())
    (announced,) = listener.announced
    assert listener.calls_at_announcement == 0
    assert (announced.spend, announced.plans_in_space, announced.paid_before) == (50_000, 8, 0)
    assert 0 < announced.expected <= 50_000
    assert {step.phase for step in listener.steps} <= {"fit", "validation", "test"}
    (report,) = listener.reports
    assert report.paid <= 50_000


def test_a_finished_study_started_again_calls_nothing_and_reports_the_same(tmp_path: Path) -> None:
    first, second = Bench(), Bench()
    reports = []
    for bench in (first, second):
        store = open_store(tmp_path / "study.db")
        reports.append(bench.optimize(store))
        store.close()
    assert first.calls > 0
    assert second.calls == 0
    assert reports[1].paid == reports[0].paid
    assert reports[1].frontier == reports[0].frontier
    assert reports[1].test_reads == 2 * reports[0].test_reads


def test_a_grown_dev_set_keeps_the_parts_and_counts_all_reads_of_the_test_part(tmp_path: Path) -> None:
    bench, parts = Bench(), []
    whole = bench.tasks
    with open_store(tmp_path / "study.db") as store:
        reports = []
        for count in (70, 120):
            bench.tasks = whole[:count][::-1]
            reports.append(bench.optimize(store))
            parts.append(dict(store.parts(0)))
        by_run = {
            (trial.study_id, run.task_id): trial.part
            for report in reports
            for trial in store.trials(report.study_id)
            if trial.part != "headroom"
            for run in store.runs(trial_id=trial.trial_id)
        }
    assert parts[0].items() <= parts[1].items()
    assert reports[1].tasks == {"fit": 60, "validation": 24, "test": 36}
    assert all(parts[1][task_id] == part for (_, task_id), part in by_run.items())
    first, second = (report.test_reads for report in reports)
    assert second == first + sum(plan.test is not None for plan in reports[1].frontier)


def test_cold_and_warm_cache_decide_alike() -> None:
    store = MemoryStore()
    bench = Bench()
    cold = bench.optimize(store)
    calls = bench.calls
    warm = bench.optimize(store, spend=999_999)  # another study on the same replies
    assert bench.calls == calls
    assert warm.paid == 0
    assert warm.frontier == cold.frontier
    assert warm.chosen == cold.chosen


def test_the_spend_is_never_passed_and_what_was_measured_is_reported() -> None:
    bench = Bench()
    store = MemoryStore()
    report = bench.optimize(store, spend=9_000)
    assert report.stopped_early
    assert report.paid <= 9_000
    assert sum(len(model.requests) for model in bench.models) > 0
    assert report.frontier


@pytest.mark.parametrize("spend", [60, 200, 900, 3_000])
def test_a_spend_too_thin_to_compare_plans_leaves_a_plan_that_answers(spend: float, tmp_path: Path) -> None:
    bench = Bench()
    report = bench.optimize(spend=spend)
    assert report.stopped_early
    assert report.paid <= spend
    assert report.policy is not None
    assert len(report.policy.arms) == 1
    said = [note for note in report.notes if note.startswith("validation: the spend")]
    validated = report.frontier[0].validation.tasks if report.frontier else 0
    assert said or validated == report.tasks["validation"]
    report.policy.save(tmp_path / "policy.json")
    policy = DeployedPolicy.load(tmp_path / "policy.json", pool=bench.pool)
    assert policy.invoke(bench.tasks[0].question).status is Status.OK
    assert StudyReport.model_validate_json(report.model_dump_json()).notes == report.notes


def test_a_cap_below_the_cheapest_plan_is_infeasible_before_any_call() -> None:
    bench = Bench()
    with pytest.raises(Infeasible) as infeasible:
        bench.optimize(cap=5)
    assert infeasible.value.min_cap > 5
    assert bench.calls == 0


def test_where_no_plan_is_affordable_none_is_chosen() -> None:
    bench = Bench()
    report = bench.optimize(cap=600)
    assert report.chosen is None
    assert report.best is None
    assert all(plan.test is None for plan in report.frontier)


def test_bad_arguments_are_named() -> None:
    bench = Bench()
    with pytest.raises(UsageError, match="at least 30 tasks"):
        optimize(bench.graph, bench.tasks[:29], bench.pool, cap=Cap(total=1e6), spend=1e6, policies=())
    with pytest.raises(UsageError, match="same task twice"):
        optimize(bench.graph, [*bench.tasks, bench.tasks[0]], bench.pool, cap=Cap(total=1e6), spend=1e6, policies=())
    with pytest.raises(UnknownName, match="optimizer"):
        optimize(bench.graph, bench.tasks, bench.pool, cap=Cap(total=1e6), spend=1e6, optimizer="halfing", policies=())
    with pytest.raises(UnknownName, match="metric"):
        optimize(bench.graph, bench.tasks, bench.pool, cap=Cap(total=1e6), spend=1e6, metric="exakt", policies=())
    ungraded = [*bench.tasks[:-1], Task(question="Is this graded?")]
    with pytest.raises(UsageError, match="gold"):
        optimize(bench.graph, ungraded, bench.pool, cap=Cap(total=1e6), spend=1e6, policies=())
    assert bench.calls == 0


def test_works_inside_an_event_loop() -> None:
    async def story() -> StudyReport:
        bench = Bench()
        return await optimize_async(bench.graph, bench.tasks, bench.pool, cap=Cap(total=1e6), spend=1e6, policies=())

    assert asyncio.run(story()).best is not None


def test_killed_and_started_again_it_pays_for_no_settled_call_twice(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from apportion.stores.opening import open_store
        sys.path.insert(0, sys.argv[2])
        from test_optimize import Bench, expert

        def slow(request):
            time.sleep(0.002)
            with open(sys.argv[1] + ".calls", "a") as log:
                log.write(request.key("x") + "\\n")
            return expert(request)

        bench = Bench()
        bench.models[1]._script = slow
        store = open_store(sys.argv[1])
        report = bench.optimize(store)
        store.close()
        print(report.paid, report.lost, report.chosen)
        """
    )
    database = tmp_path / "study.db"
    command = [sys.executable, "-c", script, str(database), str(Path(__file__).parent)]
    for _ in range(2):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = Path(f"{database}.calls")
        before = log.stat().st_size if log.exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not log.exists() or log.stat().st_size < before + 65 * 40):
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    sent = Path(f"{database}.calls").read_text().split()
    uninterrupted = Bench().optimize()
    paid, lost, chosen = done.stdout.split()
    repeated = len(sent) - len(set(sent))
    assert repeated <= 2 * 128  # only what was in flight at a kill
    assert float(paid) - float(lost) == uninterrupted.paid
    assert chosen == uninterrupted.chosen


def down(request: Request) -> str:
    raise CallFailed(Status.PROVIDER_ERROR, "connection refused", billed=False)


def test_a_study_that_nobody_answers_stops_and_goes_on_when_somebody_does() -> None:
    store = MemoryStore()
    bench = Bench()
    pool = Pool([ScriptedModel(down, name="novice", card=CARD), ScriptedModel(down, name="expert", card=CARD)])
    with pytest.raises(UsageError, match="no model answered a single call"):
        optimize(bench.graph, bench.tasks, pool, cap=Cap(total=1e6), spend=1e6, store=store, policies=())
    healthy = bench.optimize(store)
    assert healthy.frontier == Bench().optimize().frontier


def test_a_study_whose_function_always_fails_stops_and_says_why() -> None:
    def broken(question: str, inputs: object, task: object) -> str:
        raise LookupError("no such table")

    bench = Bench()
    graph = Graph("own").add("solve", Solver(max_output_tokens=32)).add("own", Function(broken))
    graph.connect("solve", "own")
    with pytest.raises(UsageError, match=r"no task was answered: LookupError: no such table; mend the function"):
        optimize(graph, bench.tasks, Pool(bench.models), cap=Cap(total=1e6), spend=1e6, policies=())


def test_failures_of_one_model_are_tried_again_by_the_study_that_goes_on() -> None:
    store = MemoryStore()
    bench = Bench()
    pool = Pool([bench.models[0], ScriptedModel(down, name="expert", card=CARD)])
    poor = optimize(bench.graph, bench.tasks, pool, cap=Cap(total=1e6), spend=1e6, store=store, policies=())
    assert max(plan.validation.score for plan in poor.frontier) == 0
    healthy = bench.optimize(store)
    assert healthy.best is not None
    assert healthy.best == Bench().optimize().best


def test_a_spend_lost_on_failing_calls_says_so() -> None:
    def broken(request: Request) -> str:
        raise CallFailed(Status.PROVIDER_ERROR, "500")

    bench = Bench()
    pool = Pool([ScriptedModel(broken, name="novice", card=CARD), ScriptedModel(broken, name="expert", card=CARD)])
    with pytest.raises(SpendExhausted, match=r"lost on calls without a usable reply\), .*mend the endpoint"):
        optimize(bench.graph, bench.tasks, pool, cap=Cap(total=1e6), spend=5_000, policies=())


def test_a_breach_is_told_as_such() -> None:
    bench = Bench()

    def rogue(request: Request) -> str | Reply:
        return Reply("Answer: yes", "stop", Usage(10, 5000)) if len(models[1].requests) > 30 else expert(request)

    models = [ScriptedModel(novice, name="novice", card=CARD), ScriptedModel(rogue, name="expert", card=CARD)]
    store = MemoryStore()
    with pytest.raises(BudgetBreach, match="'expert'"):
        optimize(bench.graph, bench.tasks, Pool(models), cap=Cap(total=1e6), spend=1e6, store=store, policies=())
    (study,) = store.studies()
    assert store.balance(study.account_id).reserved == Amount()


def test_after_an_interruption_the_runs_that_were_completed_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that ran in part, then whole, counts as it was measured when it was whole."""
    store = MemoryStore()

    class Stalling(ScriptedModel):
        stalled: asyncio.Event

        async def complete(self, request: Request) -> Reply:
            if len(self.requests) >= 70:
                self.stalled.set()
                await asyncio.Event().wait()
            return await super().complete(request)

    async def interrupted() -> None:
        bench = Bench()
        Stalling.stalled = asyncio.Event()
        pool = Pool([Stalling(novice, name="novice", card=CARD), Stalling(expert, name="expert", card=CARD)])
        made = optimize_async(bench.graph, bench.tasks, pool, cap=Cap(total=1e6), spend=1e6, store=store, policies=())
        study = asyncio.create_task(made)
        await Stalling.stalled.wait()
        study.cancel()
        await asyncio.wait({study})

    asyncio.run(interrupted())
    assert any(run.stop_reason == "cancelled" for run in store.runs())
    seen: list[list[tuple[str, float, float]]] = []
    survivors = Racing.survivors

    def watched(self: Racing, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        seen.append(sorted((name, found.score, found.cost) for name, found in measured.items()))
        return survivors(self, measured)

    monkeypatch.setattr(Racing, "survivors", watched)
    for _ in range(2):
        Bench().optimize(store)
    assert seen[0] == seen[1]
