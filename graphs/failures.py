"""What an exception in a node means for its run."""

from __future__ import annotations

from ..errors import (
    ApportionError,
    BudgetBreach,
    CallFailed,
    CapReached,
    NodeFailed,
    StoreError,
    ToolServerError,
)
from ..records.message import Message
from ..records.status import Status

__all__ = ["failure_of"]


def failure_of(problem: Exception, node: str, kind: str) -> tuple[Message, ApportionError | None]:
    """What a node says that raised, and what ends the run; None where the run goes on.

    Args:
        problem: what it raised.
        node: its name.
        kind: its kind.
    """
    if isinstance(problem, CapReached):
        return Message(status=Status.BUDGET, reason=str(problem)), None
    if isinstance(problem, CallFailed):
        return Message(status=problem.status, reason=problem.reason), None
    if isinstance(problem, (BudgetBreach, StoreError, ToolServerError)):  # the node's code is not to blame
        breached = isinstance(problem, BudgetBreach)
        return Message(status=Status.PROVIDER_ERROR if breached else Status.UNKNOWN, reason=str(problem)), problem
    reason = f"{type(problem).__name__}: {problem}"
    failed = NodeFailed(node, kind, reason)
    failed.__cause__ = problem
    return Message(status=Status.UNKNOWN, reason=reason), failed
