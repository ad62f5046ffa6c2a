"""Metrics: how an answer is scored, by name, from `module:function`, or from what the task itself names."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Protocol, TypeAlias

from ..errors import UnknownName, UsageError
from ..records.task import Task
from .families import FAMILIES
from .metric_choice import choice
from .metric_constraints import constraints
from .metric_math import math as mathematics
from .metric_numeric import numeric
from .metric_text import exact, set_of_items, token_f1, verbatim

__all__ = ["AUTO", "METRICS", "CheckedMetric", "Metric", "check_golds", "metric_for", "resolve_metric", "score"]


class Metric(Protocol):
    """Scores an answer to a task: 1 is right, 0 is wrong, and nothing lies outside.

    One that may take long says so by a method `waits(task) -> bool`; runs then call it in a thread.
    """

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score in [0, 1], a function of the two arguments alone."""


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "exact": exact,
        "verbatim": verbatim,
        "numeric": numeric,
        "choice": choice,
        "token_f1": token_f1,
        "set": set_of_items,
        "constraints": constraints,
        "math": mathematics,
    }
)
"""The metrics that have a name of their own."""

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
    if metric in METRICS:
        return METRICS[metric]
    if ":" in metric:
        return _checked(metric, _imported(metric))
    raise UnknownName("metric", metric, (*METRICS, AUTO))


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
        if grader not in METRICS.values():
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


def _checked(name: str, function: object) -> Metric:
    if isinstance(function, CheckedMetric) or function is _auto or function in METRICS.values():
        return function  # type: ignore[return-value]
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


def _imported(name: str) -> object:
    """The object that `module:function` names."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"metric {name!r} must be written module:function")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            reason = f"there is no module {error.name!r}; install it or put its folder on PYTHONPATH"
            raise UsageError(f"metric {name!r}: {reason}") from None
        raise UsageError(f"metric {name!r}: module {module_name!r} needs {error.name!r}, which is missing") from error
    except Exception as error:
        reason = f"module {module_name!r} fails when imported: {type(error).__name__}: {error}"
        raise UsageError(f"metric {name!r}: {reason}") from error
    try:
        return reduce(getattr, attribute.split("."), module)
    except AttributeError:
        public = (entry for entry, value in vars(module).items() if callable(value) and not entry.startswith("_"))
        raise UnknownName(f"function in metric module {module_name!r}:", attribute, public) from None
