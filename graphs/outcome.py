"""How a run ended: as its caller is told, and as its row in the books."""

from __future__ import annotations

import time

from ..records.message import Message
from ..records.rows import RunRow
from .judging import Grade
from .result import Result, confidence_of, reason_of
from .session import RunSession

__all__ = ["result_of", "row_of"]


def result_of(session: RunSession, task_id: str, message: Message, stop_reason: str, grade: Grade) -> Result:
    """The result of a run.

    Args:
        session: of the run.
        task_id: of its task.
        message: what it answers.
        stop_reason: why it ended.
        grade: of the answer.
    """
    return Result(
        run_id=session.run_id,
        task_id=task_id,
        plan_hash=session.resolved.plan.hash,
        answer=message.answer,
        status=message.status,
        stop_reason=stop_reason,
        score=grade.score,
        charged=session.charged,
        lost=session.lost,
        latency=session.latency,
        short_account=grade.short_account or session.short_account,
        reason=reason_of(message, session.final_node),
        confidence=confidence_of(message),
        data=message.data,
        abstained=message.abstained,
        usage=session.usage,
        gates=session.gates,
        unscored=grade.unscored,
        grading=grade.cost,
    )


def row_of(result: Result, session: RunSession, parent_account: str, trial_id: str | None, started: float) -> RunRow:
    """The row of a run that ends now.

    Args:
        result: of the run.
        session: of the run.
        parent_account: above the run's own.
        trial_id: of the trial that it belongs to.
        started: when it began, in seconds since 1970.
    """
    return RunRow(
        run_id=result.run_id,
        trial_id=trial_id,
        task_id=result.task_id,
        plan_hash=result.plan_hash,
        graph_hash=session.resolved.plan.graph_hash,
        account_id=session.account_id,
        started_at=started,
        ended_at=time.time(),
        status=result.status,
        stop_reason=result.stop_reason,
        answer=result.answer,
        score=result.score,
        charged=result.charged,
        lost=result.lost,
        latency=result.latency,
        reason=result.reason,
        abstained=result.abstained,
        parent_account_id=parent_account,
    )
