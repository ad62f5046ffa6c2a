"""A study that is asked for a score: the smallest cap that reaches it, with the policy set to it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from apportion.budgets.cap import Cap
from apportion.cli.terminal_target import print_target
from apportion.errors import UsageError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, max_output_tokens=200)
CEILING = 300.0
"""Per task: enough for the longest answer everywhere."""


def script(request: Request) -> str:
    """Right on what is short; on what is long only at length."""
    asked, room = request.messages[-1].content, request.max_output_tokens > 50
    return f"{'step ' * 12 if room else ''}\nAnswer: {'yes' if room or 'short' in asked else 'no'}"


def run(**given: Any) -> StudyReport:
    graph = Graph("lengths")
    graph.add("solve", Solver(style="think", max_output_tokens=choose(20, 80)))
    tasks = [
        Task(question=f"{length} question {number}: is it so?", gold="yes", family=length)
        for number in range(100)
        for length in ("short", "long")
    ]
    asked: dict[str, Any] = {"cap": Cap(total=CEILING * 200), "spend": 1e6, "policies": ("static_mix", "joint")}
    return optimize(graph, tasks, Pool([ScriptedModel(script, name="m", card=CARD)]), **asked | given)


def printed(report: StudyReport) -> str:
    console = Console(file=StringIO(), width=400)
    print_target(console, report.target, "task")
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_policy_is_set_to_the_smallest_cap_and_test_confirms_it() -> None:
    report = run(target_score=0.7)
    found, policies = report.target, report.policies
    assert found is not None
    assert policies is not None
    assert policies.test is not None
    assert found.reached
    assert found.budget is not None
    assert found.budget < found.ceiling == CEILING
    assert found.cap == pytest.approx(found.budget * 200)
    assert found.policy == policies.chosen
    assert found.test is not None
    assert found.test.verdict in ("confirmed", "undecided")
    assert found.test.questions == report.tasks["test"]
    assert found.test.score == pytest.approx(policies.test.score.score)
    assert policies.test.score.cost <= found.budget
    # A plan that was served under the whole cap is no match for it.
    assert policies.test.gain is None
    assert report.policy is not None
    assert report.policy.budget == pytest.approx(found.budget)
    assert StudyReport.model_validate_json(report.model_dump_json()).target == found
    assert f"{found.test.verdict} on test" in report._repr_html_()
    assert "a score of 0.7 is reached from" in printed(report)
    assert found.test.verdict in printed(report)


def test_a_score_that_no_budget_reaches_is_said_with_the_best() -> None:
    report = run(target_score=0.99, cap=Cap(total=40 * 200))
    found = report.target
    assert found is not None
    assert (found.reached, found.budget, found.cap, found.test) == (False, None, None, None)
    assert found.best_score is not None
    assert found.best_score < 0.99
    assert report.policy is not None
    assert report.policy.budget == pytest.approx(40)
    assert "is not reached within" in printed(report)
    assert "not reached" in report._repr_html_()


def test_where_no_policies_could_be_compared_that_is_the_answer() -> None:
    report = run(target_score=0.5, spend=3_000)
    assert report.policies is None
    assert report.target is not None
    assert (report.target.reached, report.target.best_score) == (False, None)
    assert "no policies were compared" in report.target.why
    assert "was not looked for" in printed(report)


@pytest.mark.parametrize("target", [0, 1.5, -1, float("nan"), "half"])
def test_what_is_no_score_is_refused_before_any_call(target: object) -> None:
    with pytest.raises(UsageError, match="target_score must be"):
        run(target_score=target)


def test_policies_are_needed() -> None:
    with pytest.raises(UsageError, match="target_score needs policies"):
        run(target_score=0.5, policies=())


def test_without_a_target_nothing_is_told() -> None:
    console = Console(file=StringIO())
    print_target(console, None, "task")
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == ""
