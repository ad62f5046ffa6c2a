from __future__ import annotations

import pytest

from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.optimizers.study.reporter import Calling, Progress, Silent
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

from .test_report_frame import PLANS, report


def study(progress: object) -> StudyReport:
    def even(request: Request) -> str:
        return "Answer: yes" if request.max_output_tokens == 40 else "Answer: no"

    graph = Graph("told").add("solve", Solver(max_output_tokens=choose(20, 40)))
    tasks = [Task(question=f"Is {number} fine?", gold="yes" if number % 4 else "no") for number in range(40)]
    pool = Pool([ScriptedModel(even)])
    return optimize(graph, tasks, pool, cap=Cap(total=1e6), spend=1e6, policies=(), progress=progress)  # type: ignore[arg-type]


def test_a_function_is_told_where_the_study_stands() -> None:
    steps: list[Progress] = []
    found = study(steps.append)
    assert steps[0].phase == "fit"
    last = steps[-1]
    assert (last.phase, last.runs, last.paid, last.spend, last.plans) == ("done", found.runs, found.paid, 1e6, 2)
    assert last.best == max(plan.validation.score for plan in found.frontier) > 0.5
    assert [step.runs for step in steps] == sorted(step.runs for step in steps)
    assert [step.plans for step in steps] == sorted(step.plans for step in steps)
    assert all(step.paid <= step.spend for step in steps)
    assert {step.phase for step in steps} <= {"fit", "validation", "test", "headroom", "done"}


def test_what_the_function_raises_ends_the_study() -> None:
    def fail(progress: Progress) -> None:
        raise LookupError("no bar to draw")

    with pytest.raises(LookupError, match="no bar to draw"):
        study(fail)


def test_another_reporter_is_told_as_well() -> None:
    told: list[object] = []

    class Listener(Silent):
        def progress(self, progress: Progress) -> None:
            told.append(progress)

        def finish(self, report: StudyReport) -> None:
            told.append(report)

    both = Calling(told.append, Listener())
    step = Progress("fit", 3, 1.0, 9.0)
    found = report(*PLANS)
    both.progress(step)
    both.finish(found)
    assert told[:3] == [step, step, found]
    assert told[3] == Progress("done", 40, 1234.5, 5000.0, 4, 0.8)


def test_the_tokens_of_a_plan_are_those_of_its_runs_whatever_the_unit() -> None:
    found = study(lambda progress: None)
    for plan in found.frontier:
        assert plan.tokens == pytest.approx(plan.validation.cost)
        assert plan.usd == 0
