"""What came of a run, and what scores it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..records.message import Message
from ..records.status import Status
from ..records.task import Task
from ..records.usage import NO_USAGE, ZERO, Amount, Usage
from .gate import GateReading

__all__ = ["Engine", "Grader", "Metric", "Result", "confidence_of", "reason_of"]

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
    """In [0, 1], 0 for a failure; None without a metric, where the task has nothing to grade by, or where a judge gave
    no verdict, see `unscored`."""
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
    unscored: str = ""
    """Why a judge gave no score: its verdict could not be read, did not come, or could not be paid for. Empty where it
    gave one."""
    grading: Amount = ZERO
    """What the judge was charged and lost; no part of `charged` and `lost`."""


Grader: TypeAlias = (
    Metric | Callable[[Task, str], Awaitable[float]] | Callable[[Task, Result], float | Awaitable[float]]
)
"""A metric as a user may give it: of an answer or of a whole result, asynchronous or not; see `resolve_metric`."""


def reason_of(message: Message, node: str) -> str:
    """Why there is no answer; a failed run always says so.

    Args:
        message: the outcome.
        node: the final node.
    """
    if not message.status.failed:
        return ""
    return message.reason or f"node {node!r} ended as {message.status.value} and gave no reason"


def confidence_of(message: Message) -> float | None:
    """Of the candidate that is the answer; the first, as nodes order them."""
    return next((c.confidence for c in message.candidates if c.answer == message.answer), None)
