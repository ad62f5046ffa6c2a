"""One call of a client as a run on the books."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ..budgets.cap import in_unit
from ..errors import BudgetBreach, CallFailed, CapReached
from ..models.attempt import Meter
from ..models.delta import Delta
from ..models.metered import MeteredCaller
from ..models.request import Reply, Request
from ..records.protocols import Recorder
from ..records.rows import UNITS, RunRow, SpanRow, TaskRow
from ..records.status import Status
from ..records.task import Task
from ..records.usage import Amount
from .outcomes import last_question

__all__ = ["TracedCall", "in_units"]

_LONGEST = 200_000
"""Characters of a question, see `Task`."""


class TracedCall:
    """Asks a model for a client, and keeps a run with one span of it, whatever comes of it.

    Args:
        caller: the way to the models.
        recorder: where the run is kept.
        account_id: what is charged.
        request: what is asked.
        asker: who asks, for people.
    """

    def __init__(
        self, caller: MeteredCaller, recorder: Recorder, account_id: str, request: Request, asker: str
    ) -> None:
        self.run_id = uuid.uuid4().hex
        self.request = request
        self._caller = caller
        self._recorder = recorder
        self._asker = asker
        self._meter = Meter(account_id, self.run_id, uuid.uuid4().hex)
        self._started = time.time()

    @property
    def cost(self) -> Amount:
        """What it cost, attempts that failed included."""
        return self._meter.charged + self._meter.lost

    @property
    def cached(self) -> bool:
        """Whether the reply was there before."""
        return bool(self._meter.booked) and self._meter.booked[-1][0].cached

    @property
    def account(self) -> Mapping[str, Any]:
        """What it came to, for the client."""
        return {
            "run_id": self.run_id,
            "model": self.request.model,
            "cached": self.cached,
            "charged": in_units(self._meter.charged),
            "lost": in_units(self._meter.lost),
            "attempts": self._meter.calls,
        }

    async def whole(self) -> Reply:
        """The reply; errors are those of `MeteredCaller.call`."""
        try:
            reply = await self._caller.call(self.request, self._meter)
        except BaseException as error:
            self._record_failure(error)
            raise
        self._record_reply(reply)
        return reply

    async def stream(self) -> AsyncGenerator[Delta | Reply, None]:
        """The reply piece by piece; errors are those of `MeteredCaller.stream`."""
        reply = None
        try:
            async with aclosing(self._caller.stream(self.request, self._meter)) as items:
                async for item in items:
                    if isinstance(item, Reply):
                        reply = item
                        self._record_reply(item)
                    yield item
        except BaseException as error:
            if reply is None:
                self._record_failure(error)
            raise

    def _record_reply(self, reply: Reply) -> None:
        self._record(self._meter.booked[-1][0].outcome, "complete", reply.text, "")

    def _record_failure(self, error: BaseException) -> None:
        status, stop_reason = Status.UNKNOWN, "error"
        if isinstance(error, CallFailed):
            status = error.status
        elif isinstance(error, CapReached):
            status, stop_reason = Status.BUDGET, "budget"
        elif isinstance(error, BudgetBreach):
            status, stop_reason = Status.PROVIDER_ERROR, "breach"
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            status, stop_reason = Status.CANCELLED, "cancelled"
        self._record(status, stop_reason, "", str(error) or "the client left, or the server was stopped")

    def _record(self, status: Status, stop_reason: str, answer: str, reason: str) -> None:
        now, meter = time.time(), self._meter
        task = Task(question=last_question(self.request.messages)[:_LONGEST] or "(no text)", family="proxy")
        span = SpanRow(
            meter.span_id,
            self.run_id,
            self._asker,
            "proxy",
            0,
            "",
            self._started,
            now,
            status,
            meter.charged,
            meter.lost,
            answer,
            reason,
        )
        run = RunRow(
            run_id=self.run_id,
            trial_id=None,
            task_id=task.task_id,
            plan_hash="",
            graph_hash="",
            account_id=meter.account_id,
            started_at=self._started,
            ended_at=now,
            status=status,
            stop_reason=stop_reason,
            answer=answer,
            score=None,
            charged=meter.charged,
            lost=meter.lost,
            latency=now - self._started,
            reason=reason,
        )
        for row in (TaskRow(task.task_id, task.family, task.model_dump_json()), span, run):
            self._recorder.record(row)


def in_units(amount: Amount) -> Mapping[str, float]:
    """An amount as clients are told of it."""
    return {unit: in_unit(amount, unit) for unit in UNITS}
