"""Metrics: how an answer is scored, by name, from `module:function`, or from what the task itself names."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from ..errors import UnknownName, UsageError
from ..imports import imported
from ..records.task import Task
from ..registry import Registry
from .families import FAMILIES

__all__ = ["AUTO", "METRICS", "CheckedMetric", "Metric", "check_golds", "metric_for", "resolve_metric", "score"]


class Metric(Protocol):
    """Scores an answer to a task: 1 is right, 0 is wrong, and nothing lies outside.

    One that may take long says so by a method `waits(task) -> bool`; runs then call it in a thread.
    """

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score in [0, 1], a function of the two arguments alone."""


AUTO = "auto"
"""The name of the metric that each task names for itself, see `metric_for`."""

_Function: TypeAlias = Callable[[Task, str], float]


@dataclass(frozen=True, slots=True)
class CheckedMetric:
    """A metric from outside, held to a number in [0, 1]."""

    name: str
    """`module:function`, for messages."""
    function: _Function

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score.

        Raises:
            UsageError: the function failed or returned something else; the task is named.
        """
        where = f"metric {self.name!r}, task {task.name or task.task_id!r}"
        try:
            value: object = self.function(task, answer)
        except Exception as error:
            raise UsageError(f"{where}: {type(error).__name__}: {error}") from error
        if inspect.iscoroutine(value):
            value.close()
            raise UsageError(f"{where}: it is asynchronous; a metric must be an ordinary function")
        if not isinstance(value, int | float):
            raise UsageError(f"{where}: it returned {type(value).__name__}, not a number; return a score from 0 to 1")
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise UsageError(f"{where}: it returned {value!r}; return a score from 0 to 1")
        return float(value)


def _checked(name: str, function: Any) -> Metric:
    """A metric of the package as it is, one from outside held to its form."""
    if isinstance(function, CheckedMetric) or f"{getattr(function, '__module__', '')}.".startswith(f"{__package__}."):
        own: Metric = function
        return own
    if not callable(function):
        raise UsageError(f"metric {name!r} is no function; it is a {type(function).__name__}")
    if inspect.isclass(function):
        raise UsageError(f"metric {name!r} is a class; name a function, or an object that can be called")
    try:
        inspect.signature(function).bind(None, "")
    except TypeError:
        raise UsageError(f"metric {name!r} cannot be called with (task, answer)") from None
    except ValueError:
        # A function in C may have no signature; the first call then tells.
        return CheckedMetric(name, function)
    return CheckedMetric(name, function)


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
    },
)
"""The metrics that have a name: the package's own, and those that installed packages register; never changes."""


def resolve_metric(metric: str | _Function) -> Metric:
    """The metric of a name in `METRICS`, of "auto", of `module:function`, or a callable itself.

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


def check_golds(tasks: Iterable[Task], metric: str | _Function = AUTO) -> None:
    """Scores the gold answers, so that a task that cannot be graded is found before anything is spent on it.

    Metrics from outside are not called, because they may cost something.

    Raises:
        UnknownName: there is no such metric.
        UsageError: a task lacks what its metric needs, or its own gold answer is not right.
    """
    for task in tasks:
        name = metric_for(task) if metric == AUTO else metric
        grader = resolve_metric(name)
        if isinstance(grader, CheckedMetric) or grader is _auto:
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

    @staticmethod
    def _named(task: Task) -> Metric:
        name = metric_for(task)
        if name == AUTO:
            raise UsageError(f"task {task.name or task.task_id!r}: metadata 'metric' must name a metric, not {AUTO!r}")
        return resolve_metric(name)


_auto = _Auto()
