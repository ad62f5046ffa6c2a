"""The score of a run, by whatever kind of metric a user gives."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import cast

from ..records.message import Message
from ..records.task import Task
from ..tasks.metrics import CheckedMetric, GradesResults, resolve_metric
from .judging import Grade, MeteredJudge
from .result import Grader, Metric, Result

__all__ = ["graded", "metric_of", "score_of", "waited_score"]


def metric_of(given: Grader | None) -> Metric | None:
    """A metric as runs take it; one that is asynchronous or takes results is held to a number in [0, 1].

    Raises:
        UsageError: it cannot be called with a task and an answer or a result.
    """
    if given is None or isinstance(given, CheckedMetric) or not inspect.isroutine(given):
        return cast("Metric | None", given)
    checked = resolve_metric(given)
    special = isinstance(checked, CheckedMetric) and (checked.whole or checked.waited)
    return checked if special else cast(Metric, given)


async def graded(
    metric: Metric | MeteredJudge | None, task: Task, message: Message, result: Callable[[], Result]
) -> Grade | None:
    """What a metric makes of a run that must be waited for, see `waited_score`; None: `score_of` does.

    A judge grades whatever was answered, whether the task has gold or not.
    """
    if isinstance(metric, MeteredJudge):
        return Grade(0.0) if message.status.failed else await metric.grade(task, message.answer)
    score = await waited_score(metric, task, message, result)
    return None if score is None else Grade(score)


def score_of(metric: Metric | MeteredJudge | None, task: Task, message: Message) -> float | None:
    """The score of an answer; 0 for a failure, None without a metric or where the task has nothing to grade by."""
    if isinstance(metric, MeteredJudge):
        return None  # the run ended before there was an answer to grade
    if metric is None or not (task.gold or task.metadata):
        return None
    return 0.0 if message.status.failed else metric(task, message.answer)


async def waited_score(
    metric: Metric | None, task: Task, message: Message, result: Callable[[], Result]
) -> float | None:
    """The score by a metric that must be waited for; None: `score_of` gives it at no wait.

    Args:
        metric: is asynchronous, takes the whole result, or says that it may take long and then runs in a thread.
        task: is graded.
        message: the run's answer.
        result: makes the result so far, which has no score.
    """
    if isinstance(metric, GradesResults) and metric.grades_results(task):
        if not (task.gold or task.metadata):
            return None
        return 0.0 if message.status.failed else float(await metric.of_result(task, result()))
    waits: Callable[[Task], bool] | None = getattr(metric, "waits", None)
    return await asyncio.to_thread(score_of, metric, task, message) if waits is not None and waits(task) else None
