"""A study whose metric is a judge: what it finds, on essays of planted quality and a judge of planted faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from apportion import Cap, Function, Graph, Judge, Pool, Solver, StudyReport, Task, optimize
from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import in_unit
from apportion.errors import BudgetBreach, CallFailed, UnknownName, UsageError
from apportion.graphs.run import Runner
from apportion.models.request import Reply, Request
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.tables.tabulate import tabulate
from apportion.optimizers.tables.value import valued
from apportion.records.status import Status
from apportion.records.usage import Usage
from apportion.testing.essays import ESSAY_CARD, ESSAY_JUDGE, Essays, essay_judge, essay_quality, essay_writer
from apportion.testing.scripted import ScriptedModel


def test_the_better_writer_wins_without_any_gold_and_the_judge_has_a_line_of_its_own() -> None:
    store = MemoryStore()
    report = Essays().optimize(store=store)
    best, judge = report.best, report.judge
    assert best is not None
    assert best.plan["values"] == {"write.model": "good"}
    assert best.validation.score == pytest.approx(0.7, abs=0.06)
    assert best.test is not None
    assert judge is not None
    assert (judge.model, judge.rubric, judge.scale, judge.votes) == ("grader", "essay", (0.0, 10.0), 1)
    assert judge.unscored == 0
    assert judge.answers == judge.replies.replies == judge.replies.answered  # type: ignore[union-attr]
    phases = ("search", "edges", "validation", "policies", "test", "gates", "headroom", "controls")
    accounts = [store.balance(f"study/{report.study_id}/{phase}/judge").paid.tokens for phase in phases]
    assert judge.paid == sum(accounts)
    assert 0 < judge.paid < report.paid == store.balance(f"study/{report.study_id}").paid.tokens
    # What plans cost is what they were charged, and no verdict is part of it.
    assert best.validation.cost < 150
    assert StudyReport.model_validate_json(report.model_dump_json()).judge == judge


def test_verdicts_of_the_nodes_replies_are_told_apart() -> None:
    report = Essays().optimize()
    assert {found.node for found in report.readings} == {"write"}
    assert any("headroom, votes: the metric grades the results" in note for note in report.notes)


def test_agreement_with_itself_and_planted_biases_are_found() -> None:
    fair = Essays().optimize().judge
    assert fair is not None
    assert fair.itself is not None
    assert fair.itself.correlation is not None
    assert fair.itself.correlation.mean > 0.8
    assert fair.itself.difference.mean < 0.08
    assert [shift.control for shift in fair.controls] == ["position", "length"]
    for shift in fair.controls:
        assert shift.answers == 36
        assert shift.shift is not None
        assert abs(shift.shift.mean) < 0.03
    assert fair.notes == ()
    biased = Essays(essay_judge(length=0.8, order=-0.5)).optimize().judge
    assert biased is not None
    position, length = (shift.shift for shift in biased.controls)
    assert position is not None
    assert length is not None
    assert position.low < -0.05 < position.high < 0
    assert 0 < length.low < 0.08 < length.high
    assert [note.partition(" of the scale")[0].split()[-1] for note in biased.notes] == [
        f"{position.mean:+.3f}",
        f"{length.mean:+.3f}",
    ]


def test_agreement_with_gold_is_told_where_some_exists() -> None:
    judge = Essays(gold=True).optimize().judge
    assert judge is not None
    gold = judge.gold
    assert gold is not None
    assert (gold.metric, gold.answers) == ("exact", 36)
    assert 0 < gold.right < 36
    assert gold.score_right is not None
    assert gold.score_wrong is not None
    assert gold.score_right > gold.score_wrong + 0.1
    assert Essays().optimize().judge.gold is None  # type: ignore[union-attr]
    other = Essays(gold=True).optimize(judge=Judge("grader", ESSAY_JUDGE.rubric, against="contains")).judge
    assert other is not None
    assert other.gold is not None
    assert other.gold.metric == "contains"


def test_a_metric_of_gold_that_cannot_grade_is_told_and_stops_nothing() -> None:
    judge = Essays(gold=True).optimize(judge=Judge("grader", ESSAY_JUDGE.rubric, against="constraints")).judge
    assert judge is not None
    assert judge.gold is None
    assert any(note.startswith("agreement with gold answers is not told: ") for note in judge.notes)


def silent_on(part: str) -> Callable[[Request], str]:
    """A judge that marks all but the essays of a part of the study."""
    store, essays, marks = MemoryStore(), Essays(), essay_judge()
    essays.optimize(store=store)
    parts = store.parts(0)
    questions = [task.question for task in essays.tasks if parts[task.task_id] == part]

    def script(request: Request) -> str:
        asked = request.messages[-1].content
        return "As the gold says." if any(question in asked for question in questions) else marks(request)

    return script


def test_no_example_is_of_a_question_of_the_test_part() -> None:
    judge = Essays(silent_on("test")).optimize().judge
    assert judge is not None
    assert judge.replies is not None
    assert judge.replies.unread == judge.unscored > 0
    assert "As the gold says." not in judge.model_dump_json()


def test_where_no_answer_of_validation_has_a_verdict_that_is_said() -> None:
    judge = Essays(silent_on("validation")).optimize().judge
    assert judge is not None
    assert (judge.itself, judge.controls) == (None, ())
    assert judge.notes[0].startswith("no answer that could be graded again has a verdict")


def test_verdicts_that_cannot_be_read_are_counted_beside_the_scores() -> None:
    report = Essays(essay_judge(silent=0.3)).optimize()
    best, judge = report.best, report.judge
    assert best is not None
    assert judge is not None
    assert 0.15 < judge.unscored / judge.answers < 0.45
    assert 0 < best.validation.unscored < best.validation.tasks
    assert best.validation.coverage == 1.0  # the answers are there
    assert best.validation.score + best.validation.unscored / best.validation.tasks > 0.6
    replies = judge.replies
    assert replies is not None
    assert (replies.unread, replies.answered) == (judge.unscored, judge.answers - judge.unscored)
    assert replies.examples["unread"].text == "It is hard to say."
    assert "could not be read" in replies.warning
    assert report.judge is not None
    assert report.judge.told[0].startswith(f"judge: no verdict on {judge.unscored}")
    assert f"no verdict on {judge.unscored}" in report._repr_html_()


def test_a_judge_that_never_answers_ends_the_study_with_its_reason() -> None:
    def fail(request: Request) -> str:
        raise CallFailed(Status.REFUSED, "it will not judge", billed=False)

    with pytest.raises(UsageError, match=r"no verdict on any of \d+ answers: it will not judge; mend its endpoint"):
        Essays(fail).optimize()


def test_the_judge_that_answers_itself_is_named() -> None:
    bench = Essays()
    bench.models[1] = ScriptedModel(
        lambda request: (
            essay_judge()(request) if "You grade" in request.messages[0].content else essay_writer(0.2)(request)
        ),
        name="grader",
        card=ESSAY_CARD,
    )
    del bench.models[2]
    bench.graph = Graph("own").add("write", Solver(style="direct", max_output_tokens=64))
    judge = bench.optimize().judge
    assert judge is not None
    assert any("grader also answers in plan" in note and "choose(...)" in note for note in judge.notes)


def test_a_breach_of_the_judges_cap_ends_the_study() -> None:
    with pytest.raises(BudgetBreach, match="'grader'"):
        Essays(lambda request: Reply("Score: 5", "stop", Usage(10**6, 1))).optimize()


def length(task: Task, answer: str) -> float:
    return min(1.0, len(answer) / 100)


def test_what_cannot_be_is_told_before_anything_is_paid() -> None:
    bench = Essays()
    for judge, told in (
        (Judge("nobody", ESSAY_JUDGE.rubric), "unknown model 'nobody'"),
        (Judge("grader", ESSAY_JUDGE.rubric, against="exat"), "unknown metric 'exat'; did you mean 'exact'"),
    ):
        with pytest.raises(UnknownName, match=told):
            bench.optimize(judge=judge)
    metrics: tuple[Callable[[Task, str], float] | str, ...] = (length, "exact", "auto")
    for metric in metrics:
        with pytest.raises(UsageError, match=r"no task has a gold answer.*metric=Judge.*--judge MODEL"):
            optimize(bench.graph, bench.tasks, Pool(bench.models), cap=Cap(total=1e6), spend=1e6, metric=metric)
    assert bench.requests == 0


def test_an_answer_without_a_verdict_is_no_wrong_one() -> None:
    bench = Essays(essay_judge(silent=0.5))
    graph = Graph("one").add("write", Solver(model="poor", style="direct", temperature=0.0, max_output_tokens=64))

    async def main() -> tuple[list[bool], list[float], list[float]]:
        async with Runner(graph, Pool(bench.models), MemoryStore()) as runner:
            plan, tasks = runner.space.default(), bench.tasks[:20]
            table = await tabulate(runner, [plan], tasks, ESSAY_JUDGE)
            found = [await runner.run(task, plan, metric=ESSAY_JUDGE, engine="direct") for task in tasks]
        outcomes = tuple(
            Outcome(
                each.task_id,
                each.status,
                each.score or 0.0,
                in_unit(each.charged, "tokens"),
                0.0,
                unscored=bool(each.unscored),
            )
            for each in found
        )
        values = Measurement(plan, outcomes).values(2.0)
        return [each.score is None for each in found], values.tolist(), valued(table, 2.0).scores[:, 0, 0].tolist()

    missing, values, tabulated = asyncio.run(main())
    assert 3 < sum(missing) < 17
    assert values == tabulated
    assert [value == 0 for value in values] == missing
    assert any(value < 0 for value in values)


def test_functions_alone_are_graded_too() -> None:
    def essay(question: str, inputs: object, task: object) -> str:
        number = int(re.findall(r"essay (\d+)", question)[-1])
        return f"essay {number}, worth {essay_quality(number):.3f}"

    bench = Essays()
    bench.graph = Graph("function").add("write", Function(essay))
    report = bench.optimize()
    assert report.judge is not None
    assert report.judge.paid == report.paid > 0
    assert report.best is not None
    assert (report.best.validation.cost, report.best.validation.unscored) == (0, 0)
    assert 0.4 < report.best.validation.score < 0.6
