from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apportion import Graph, JsonOutput, Pool, Result, Solver, Task
from apportion.budgets.books import MemoryStore
from apportion.errors import UsageError
from apportion.graphs.grading import metric_of, score_of, waited_score
from apportion.graphs.run import Runner
from apportion.records.message import Message
from apportion.records.status import Status
from apportion.tasks.metrics import CheckedMetric, resolve_metric
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="How much?", gold="42")


def run(metric: Any, reply: str = "42", **settings: Any) -> Result:
    graph = Graph("graded").add("solve", Solver(model="scripted", style="direct", **settings))
    return graph.run(TASK, pool=Pool([ScriptedModel(lambda request: reply)]), metric=metric)


async def late(task: Task, answer: str) -> float:
    await asyncio.sleep(0)
    return float(answer == task.gold) / 2


def thrifty(task: Task, result: Result) -> float:
    assert result.score is None
    return 1 / (1 + result.charged.tokens)


async def of_data(task: Task, result: Any) -> float:
    await asyncio.sleep(0)
    return float(result.data["n"] == 42)


def test_a_metric_may_be_asynchronous() -> None:
    assert run(late).score == 0.5
    assert run(late, "41").score == 0.0
    assert run(resolve_metric(late)).score == 0.5


def test_a_metric_may_take_the_whole_result() -> None:
    result = run(thrifty)
    assert result.score == 1 / (1 + result.charged.tokens) < 1
    output = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    graded = run(of_data, '{"n": 42}', output=output)
    assert (graded.score, graded.data, graded.answer) == (1.0, {"n": 42}, '{"n":42}')


def test_a_failure_scores_zero_without_the_metric() -> None:
    result = run(of_data, "no number", output="number")
    assert (result.status, result.score) == (Status.PARSE_ERROR, 0.0)


def test_a_metric_that_fails_or_says_nonsense_is_named() -> None:
    async def much(task: Task, answer: str) -> float:
        return 3.0

    async def broken(task: Task, answer: str) -> float:
        raise KeyError(answer)

    with pytest.raises(UsageError, match=r"it returned 3\.0; return a score from 0 to 1"):
        run(much)
    with pytest.raises(UsageError, match="KeyError: '42'"):
        run(broken)


def booked(
    metric: Any, begun: asyncio.Event | None = None
) -> tuple[BaseException | None, list[tuple[str, str, str, float | None]]]:
    """What a run ends with, cancelled where its metric has begun, and the rows of it."""
    graph, store = Graph("graded").add("solve", Solver(model="scripted", style="direct")), MemoryStore()

    async def main() -> BaseException | None:
        async with Runner(graph, Pool([ScriptedModel(lambda request: "42")]), store) as runner:
            run = asyncio.ensure_future(runner.run(TASK, runner.space.default(), metric=metric))
            if begun is not None:
                await begun.wait()
                run.cancel()
            (outcome,) = await asyncio.gather(run, return_exceptions=True)
            return outcome if isinstance(outcome, BaseException) else None

    raised = asyncio.run(main())
    return raised, [(row.status.value, row.stop_reason, row.answer, row.score) for row in store.runs()]


@pytest.mark.parametrize("whole", [False, True])
def test_a_run_that_is_cancelled_while_its_metric_waits_keeps_its_answer_and_asks_no_metric_again(whole: bool) -> None:
    asked: list[str] = []
    begun = asyncio.Event()

    async def of_answer(task: Task, answer: str) -> float:
        begun.set()
        asked.append(answer)
        await asyncio.sleep(60)
        return 1.0

    async def of_result(task: Task, result: Result) -> float:
        return await of_answer(task, result.answer)

    raised, rows = booked(of_result if whole else of_answer, begun)
    assert isinstance(raised, asyncio.CancelledError)
    assert rows == [("ok", "cancelled", "42", None)]
    assert asked == ["42"]


def test_an_asynchronous_metric_that_fails_loses_no_answer() -> None:
    asked: list[str] = []

    async def down(task: Task, answer: str) -> float:
        asked.append(answer)
        raise ConnectionError("the judge is down")

    raised, rows = booked(down)
    assert isinstance(raised, UsageError)
    assert "the judge is down" in str(raised)
    assert rows == [("ok", "error", "42", None)]
    assert asked == ["42"]


def test_plain_metrics_stay_as_they_are() -> None:
    def plain(task: Task, answer: str) -> float:
        return 1.0

    checked = CheckedMetric("own", plain)
    assert metric_of(plain) is plain
    assert metric_of(checked) is checked
    assert metric_of(None) is None
    assert score_of(plain, TASK, Message(answer="x")) == 1.0
    assert score_of(plain, Task(question="?"), Message(answer="x")) is None
    assert score_of(plain, TASK, Message(status=Status.UNKNOWN)) == 0.0

    def none() -> Result:
        raise AssertionError("nobody asked for the result")

    assert asyncio.run(waited_score(plain, TASK, Message(answer="x"), none)) is None
