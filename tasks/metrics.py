"""Metrics: how an answer is scored, by name, from `module:function`, or from what the task itself names."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ..errors import UnknownName, UsageError
from ..imports import imported
from ..records.task import Task
from ..registry import Registry
from .families import FAMILIES
from .judge import Judge

__all__ = [
    "AUTO",
    "METRICS",
    "CheckedMetric",
    "GradesResults",
    "Metric",
    "check_golds",
    "metric_for",
    "resolve_metric",
    "score",
    "scores_answers",
]


class Metric(Protocol):
    """Scores an answer to a task: 1 is right, 0 is wrong, and nothing lies outside.

    One that may take long says so by a method `waits(task) -> bool`; runs then call it in a thread. One whose gold is
    no answer, such as a pattern, has a method `check(task)` that raises UsageError where a task cannot be graded.
    """

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score in [0, 1], a function of the two arguments alone."""


@runtime_checkable
class GradesResults(Protocol):
    """A metric that scores the results of runs of some tasks, and not their answers alone."""

    def grades_results(self, task: Task) -> bool:
        """Whether a run must call `of_result` for the task."""

    async def of_result(self, task: Task, result: Any) -> float:
        """The score of a run's result."""


AUTO = "auto"
"""The name of the metric that each task names for itself, see `metric_for`."""

_Function: TypeAlias = Callable[[Task, Any], Any]


@dataclass(frozen=True, slots=True)
class CheckedMetric:
    """A metric from outside, held to a number in [0, 1]."""

    name: str
    """`module:function`, for messages."""
    function: _Function
    whole: bool = False
    """Whether it takes the whole `Result` in place of the answer."""
    waited: bool = False
    """Whether it is asynchronous."""

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score of an answer; one that is asynchronous is run to its end, in an event loop of its own.

        Raises:
            UsageError: the function failed, returned something else, or takes a whole result; the task is named.
        """
        if self.whole:
            raise UsageError(f"{self._where(task)}: it takes the whole result of a run, so it cannot score an answer")
        value = self._called(task, answer)
        if inspect.isawaitable(value):
            with ThreadPoolExecutor(1) as thread:  # a loop may be running in this one
                value = thread.submit(asyncio.run, _awaited(value)).result()
        return self._number(task, value)

    async def of_result(self, task: Task, result: Any) -> float:
        """See `GradesResults`.

        Raises:
            UsageError: as for an answer.
        """
        value = self._called(task, result if self.whole else result.answer)
        return self._number(task, await _awaited(value) if inspect.isawaitable(value) else value)

    def grades_results(self, task: Task) -> bool:
        """See `GradesResults`."""
        return self.whole or self.waited

    def scores_answers(self, task: Task) -> bool:
        """Whether it can score an answer alone."""
        return not self.whole

    def _where(self, task: Task) -> str:
        return f"metric {self.name!r}, task {task.name or task.task_id!r}"

    def _called(self, task: Task, given: Any) -> object:
        try:
            value: object = self.function(task, given)
        except Exception as error:
            raise UsageError(f"{self._where(task)}: {type(error).__name__}: {error}") from error
        return value

    def _number(self, task: Task, value: object) -> float:
        if isinstance(value, _Failed):
            error = value.error
            raise UsageError(f"{self._where(task)}: {type(error).__name__}: {error}") from error
        if not isinstance(value, int | float):
            raise UsageError(
                f"{self._where(task)}: it returned {type(value).__name__}, not a number; return a score from 0 to 1"
            )
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise UsageError(f"{self._where(task)}: it returned {value!r}; return a score from 0 to 1")
        return float(value)


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


async def _awaited(value: Any) -> object:
    try:
        result: object = await value
    except Exception as error:  # noqa: BLE001 - it is told with the name of the metric and the task
        return _Failed(error)
    return result


def _checked(name: str, function: Any) -> Metric:
    """A metric of the package as it is, one from outside held to its form."""
    if isinstance(function, CheckedMetric) or f"{getattr(function, '__module__', '')}.".startswith(f"{__package__}."):
        own: Metric = function
        return own
    if not callable(function):
        raise UsageError(f"metric {name!r} is no function; it is a {type(function).__name__}")
    if inspect.isclass(function):
        raise UsageError(f"metric {name!r} is a class; name a function, or an object that can be called")
    waited = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    try:
        given = inspect.signature(function).bind(None, "")
    except TypeError:
        raise UsageError(f"metric {name!r} cannot be called with (task, answer) or (task, result)") from None
    except ValueError:
        # A function in C may have no signature; the first call then tells.
        return CheckedMetric(name, function, waited=waited)
    second = list(given.signature.parameters.values())[1:2]
    return CheckedMetric(name, function, whole=any(map(_takes_result, second)), waited=waited)


def _takes_result(parameter: inspect.Parameter) -> bool:
    """Whether a metric's second parameter is called `result` or is a `Result`; else it is an answer."""
    said = parameter.annotation
    named = said if isinstance(said, str) else getattr(said, "__name__", "")
    return parameter.name == "result" or named.rpartition(".")[2].strip("'\"") == "Result"


METRICS: Registry[Metric] = Registry(
    "metric",
    "apportion.metrics",
    _checked,
    {
        "exact": "tasks.metric_text:exact",
        "verbatim": "tasks.metric_text:verbatim",
        "numeric": "tasks.metric_numeric:numeric",
        "choice": "tasks.metric_choice:choice",
        "token_f1": "tasks.metric_text:token_f1",
        "set": "tasks.metric_text:set_of_items",
        "constraints": "tasks.metric_constraints:constraints",
        "math": "tasks.metric_math:math",
        "contains": "tasks.metric_contains:contains",
        "regex": "tasks.metric_regex:regex",
        "rouge_l": "tasks.metric_rouge:rouge_l",
        "json_fields": "tasks.metric_json:json_fields",
        "sql": "tasks.metric_sql:sql",
    },
)
"""The metrics that have a name: the package's own, and those that installed packages register; never changes."""


def resolve_metric(metric: str | _Function) -> Metric:
    """The metric of a name in `METRICS`, of "auto", of `module:function`, or a callable itself.

    One from outside takes `(task, answer)`, or `(task, result)` where its second parameter is called `result` or is
    annotated as a `Result`; it may be asynchronous.

    Raises:
        UnknownName: there is no such name.
        UsageError: the module or the function of it does not exist, or cannot take a task and an answer.
    """
    if not isinstance(metric, str):
        return _checked(getattr(metric, "__name__", type(metric).__name__), metric)
    if metric == AUTO:
        return _auto
    if ":" in metric:
        return _checked(metric, imported(metric, "metric"))
    if metric not in METRICS:
        raise UnknownName("metric", metric, (*METRICS, AUTO))
    return METRICS[metric]


def metric_for(task: Task) -> str:
    """The name of the metric for a task: `metadata["metric"]`, else that of its generated family, else exact.

    Raises:
        UsageError: what the task names is not text.
    """
    named = task.metadata.get("metric")
    if named is None:
        return FAMILIES[task.family].metric if task.family in FAMILIES else "exact"
    if not isinstance(named, str):
        raise UsageError(f"task {task.name or task.task_id!r}: metadata 'metric' must be the name of a metric")
    return named


def score(task: Task, answer: str, metric: str | _Function = AUTO) -> float:
    """Scores one answer.

    Raises:
        UnknownName: there is no such metric.
        UsageError: the metric cannot be loaded, fails, or needs something that the task lacks.
    """
    return resolve_metric(metric)(task, answer)


def scores_answers(metric: Metric, tasks: Iterable[Task]) -> bool:
    """Whether a metric can score answers alone, without the result of a run, of all these tasks."""
    can: Callable[[Task], bool] | None = getattr(metric, "scores_answers", None)
    return can is None or all(map(can, tasks))


def check_golds(tasks: Iterable[Task], metric: str | _Function = AUTO) -> None:
    """Scores the gold answers, so that a task that cannot be graded is found before anything is spent on it.

    Metrics from outside are not called, because they may cost something; a judge needs no gold answer.

    Raises:
        UnknownName: there is no such metric.
        UsageError: a task lacks what its metric needs, or its own gold answer is not right.
    """
    for task in tasks:
        name = metric_for(task) if metric == AUTO else metric
        grader = resolve_metric(name)
        if isinstance(grader, CheckedMetric) or grader is _auto or (isinstance(grader, Judge) and metric != AUTO):
            continue
        check: Callable[[Task], None] | None = getattr(grader, "check", None)
        if check is not None:
            check(task)
            continue
        reached = grader(task, task.gold)
        if task.gold and reached < 1:
            raise UsageError(
                f"metric {name!r}, task {task.name or task.task_id!r}: "
                f"the gold answer {task.gold[:60]!r} itself scores {reached:g}; mend the gold answer or the metric"
            )


class _Auto:
    """The metric that each task names for itself."""

    def __call__(self, task: Task, answer: str, /) -> float:
        return self._named(task)(task, answer)

    def waits(self, task: Task) -> bool:
        """Whether the task's metric takes so long that it belongs in a thread."""
        waits: Callable[[Task], bool] | None = getattr(self._named(task), "waits", None)
        return waits is not None and waits(task)

    def grades_results(self, task: Task) -> bool:
        """See `GradesResults`."""
        named = self._named(task)
        return isinstance(named, CheckedMetric) and named.grades_results(task)

    def scores_answers(self, task: Task) -> bool:
        """Whether the task's metric can score an answer alone."""
        named = self._named(task)
        return not isinstance(named, CheckedMetric) or named.scores_answers(task)

    async def of_result(self, task: Task, result: Any) -> float:
        """See `GradesResults`."""
        named = self._named(task)
        return await named.of_result(task, result) if isinstance(named, CheckedMetric) else named(task, result.answer)

    @staticmethod
    def _named(task: Task) -> Metric:
        name = metric_for(task)
        if name == AUTO:
            raise UsageError(f"task {task.name or task.task_id!r}: metadata 'metric' must name a metric, not {AUTO!r}")
        return resolve_metric(name)


_auto = _Auto()
