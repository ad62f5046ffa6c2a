"""Verdicts on the books: a judge's draws as metered calls, in spans of the run whose answer is graded."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from ..errors import CapReached, UsageError
from ..models.card import ModelCard
from ..models.metered import Meter, MeteredCaller
from ..models.pool import Pool
from ..models.request import ChatMessage, Reply, Request
from ..nodes.prompts.base import Dialect
from ..nodes.readings import whole_text
from ..records.protocols import Recorder
from ..records.rows import JUDGE_NODE, SpanRow
from ..records.status import Status
from ..records.task import Task
from ..records.usage import ZERO, Amount
from ..tasks.judge import Judge, JudgeRequest
from ..tasks.verdict import JudgeReply, Verdict, verdict_on
from .context import drawn

__all__ = ["CONTROL", "JUDGE", "Grade", "MeteredJudge", "as_request", "check_judge"]

JUDGE = "judge"
"""The kind of the span of a verdict."""
CONTROL = "judge control"
"""The kind of the span of a verdict that only tells something of the judge."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a metric made of a run."""

    score: float | None
    """In [0, 1]; None where it gave none, or the task has nothing to grade by."""
    unscored: str = ""
    """Why the metric gave no score, where it should have."""
    short_account: str = ""
    """The account that could not pay for it."""
    cost: Amount = ZERO
    """What it was charged and lost."""


class MeteredJudge:
    """A judge with the way to its model: grades the answer of one run.

    Args:
        judge: what is asked.
        caller: the way to the models.
        recorder: where spans go.
        account_id: pays for the verdicts.
        run_id: the run whose answer is graded.
    """

    def __init__(self, judge: Judge, caller: MeteredCaller, recorder: Recorder, account_id: str, run_id: str) -> None:
        self._judge = judge
        self._caller = caller
        self._recorder = recorder
        self._account_id = account_id
        self._run_id = run_id

    async def grade(self, task: Task, answer: str) -> Grade:
        """The verdict on the run's answer. Where it cannot be paid for or read, there is no score, and that is said.

        Raises:
            BudgetBreach: the judge's endpoint charged more than was reserved.
        """
        meter = self._meter()
        try:
            verdict = await self._verdict(meter, JUDGE, task, answer)
        except CapReached as reached:
            return Grade(None, f"its verdict could not be paid for: {reached}", reached.account, _cost(meter))
        if verdict.score is None:
            return Grade(
                None, f"the judge gave no verdict ({verdict.status.value}): {verdict.reason}", "", _cost(meter)
            )
        return Grade(verdict.score, cost=_cost(meter))

    async def control(self, task: Task, answer: str, *, again: bool = False, reverse: bool = False) -> Verdict:
        """A further verdict, which tells something of the judge and nothing of the run; see `Judge.requests`.

        Raises:
            CapReached: the account has no room for it.
            BudgetBreach: as `grade`.
        """
        return await self._verdict(self._meter(), CONTROL, task, answer, again=again, reverse=reverse)

    def _meter(self) -> Meter:
        return Meter(self._account_id, self._run_id, os.urandom(16).hex())

    async def _verdict(
        self, meter: Meter, kind: str, task: Task, answer: str, *, again: bool = False, reverse: bool = False
    ) -> Verdict:
        started, clock = time.time(), time.perf_counter()
        calls = _Calls(self._judge, self._caller, self._recorder, meter)
        verdict = Verdict((), None, Status.CANCELLED, "the run was cancelled")
        try:
            verdict = await verdict_on(self._judge, task, answer, calls, again=again, reverse=reverse)
        except CapReached as reached:
            verdict = Verdict((), None, Status.BUDGET, str(reached))
            raise
        finally:
            said = "" if not verdict.marks else f"{sum(verdict.marks) / len(verdict.marks):g}"
            seconds = time.perf_counter() - clock
            self._recorder.record(
                SpanRow(
                    span_id=meter.span_id,
                    run_id=self._run_id,
                    node=JUDGE_NODE,
                    kind=kind,
                    round=0,
                    part="",
                    started_at=started,
                    ended_at=started + seconds,
                    status=verdict.status,
                    charged=meter.charged,
                    lost=meter.lost,
                    answer=said,
                    reason=verdict.reason,
                )
            )
        return verdict


@dataclass(frozen=True, slots=True)
class _Said:
    """Implements `tasks.verdict.JudgeReply`: a reply with the beginning that the rubric gave it."""

    text: str
    finish_reason: str
    reply: Reply


class _Calls:
    """Implements `tasks.verdict.JudgeCalls` for one verdict."""

    def __init__(self, judge: Judge, caller: MeteredCaller, recorder: Recorder, meter: Meter) -> None:
        self._card = caller.pool.card(judge.model)
        self._caller = caller
        self._recorder = recorder
        self._meter = meter

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """See `JudgeCalls.ask`."""
        asked = as_request(request, self._card)
        reply = await self._caller.call(asked, self._meter)
        return _Said(whole_text(asked, reply), reply.finish_reason, reply)

    def read_as(self, reply: JudgeReply, status: Status, reason: str) -> None:
        """See `JudgeCalls.read_as`."""
        row = self._meter.read_as(cast(_Said, reply).reply, status, reason)
        if row is not None:
            self._recorder.record(row)


def as_request(asked: JudgeRequest, card: ModelCard) -> Request:
    """A draw of a verdict as a model takes it: the same for all runs, so that a verdict is paid for once."""
    request = Request(
        model=card.name,
        messages=tuple(ChatMessage(role, said) for role, said in asked.turns),
        max_output_tokens=asked.max_output_tokens,
        temperature=asked.temperature,
        sample=asked.draw,
        prefix="" if card.prefix == "none" else asked.prefix,
    )
    return drawn(request, card, 0, JUDGE_NODE)


def check_judge(judge: Judge, pool: Pool, dialect: Callable[[str], Dialect]) -> None:
    """Makes sure that a judge can be asked at all, before anything is paid.

    Raises:
        UnknownName: the pool lacks its model.
        UsageError: the model takes no rubric, or cannot be capped.
    """
    card = pool.card(judge.model)
    if not dialect(card.dialect).words:
        raise UsageError(
            f"judge: model {card.name!r} follows no instructions (its dialect is {card.dialect!r}), so it cannot grade "
            "by a rubric; name a chat model of the pool"
        )
    if card.output_cap == "ignored":
        raise UsageError(
            f"judge: model {card.name!r} has no output cap (its card says 'ignored'), so no verdict would be bounded; "
            "mend output_cap in its card, or name another model"
        )


def _cost(meter: Meter) -> Amount:
    return meter.charged + meter.lost
