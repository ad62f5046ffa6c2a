"""What came of a run, and what scores it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..records.status import Status
from ..records.task import Task
from ..records.usage import NO_USAGE, Amount, Usage
from .gate import GateReading

__all__ = ["Engine", "Grader", "Metric", "Result"]

Metric: TypeAlias = Callable[[Task, str], float]
"""(task, answer) -> score in [0, 1]."""
Engine = Literal["langgraph", "direct"]
"""What steps through a graph."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task under a plan."""

    run_id: str
    task_id: str
    plan_hash: str
    answer: str
    status: Status
    stop_reason: str
    """complete: the graph ran to its end; budget: a cap was reached; cancelled; breach: a model charged more than was
    reserved; error: the code of a node or of the metric failed."""
    score: float | None
    """In [0, 1], 0 for a failure; None without a metric, or where the task has nothing to grade by."""
    charged: Amount
    lost: Amount
    latency: float
    """Seconds along the critical path over the spans."""
    reason: str = ""
    """Why there is no answer; empty where there is one."""
    short_account: str = ""
    """The account whose cap was reached first, where one was."""
    confidence: float | None = None
    """In [0, 1]: how sure the final node was of its answer, where it says."""
    data: Any = None
    """The value of an answer in JSON, see `JsonOutput`."""
    abstained: bool = False
    """Whether the answer says that there is none, such as "I don't know"."""
    usage: Usage = NO_USAGE
    """Tokens of all replies, as far as endpoints reported them credibly."""
    gates: tuple[GateReading, ...] = ()
    """What its gates read, by edge; one whose source did not run read nothing."""


Grader: TypeAlias = (
    Metric | Callable[[Task, str], Awaitable[float]] | Callable[[Task, Result], float | Awaitable[float]]
)
"""A metric as a user may give it: of an answer or of a whole result, asynchronous or not; see `resolve_metric`."""
