"""A verdict: some draws of a judge about one answer, and the score that they come to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import CallFailed, gravest
from ..records.status import Status
from ..records.task import Task
from .judge import Judge, JudgeRequest

__all__ = ["JudgeCalls", "JudgeReply", "Verdict", "verdict_on"]

_NO_VERDICT = {"content_filter": Status.FILTERED, "refusal": Status.REFUSED}


class JudgeReply(Protocol):
    """What a verdict reads of a reply."""

    @property
    def text(self) -> str:
        """Without reasoning, and with the prefix where one was sent."""

    @property
    def finish_reason(self) -> str:
        """stop, length, content_filter or refusal."""


class JudgeCalls(Protocol):
    """The metered way to the judge's model; tasks know no models."""

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Makes one call, on the books.

        Raises:
            CallFailed: no reply came.
            CapReached: the call does not fit under a cap.
            BudgetBreach: the endpoint charged more than was reserved.
        """

    def read_as(self, reply: JudgeReply, status: Status, reason: str) -> None:
        """Books what came of reading a reply of `ask`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said of one answer."""

    marks: tuple[float, ...]
    """Of the draws that could be read, on the judge's scale."""
    score: float | None
    """In [0, 1]; None where no draw could be read, which says nothing of the answer."""
    status: Status
    """ok where there is a score; else how the first draw ended: parse_error for no number or one outside the scale."""
    reason: str = ""
    """Why draws gave no mark, that of the first."""


async def verdict_on(
    judge: Judge, task: Task, answer: str, calls: JudgeCalls, *, again: bool = False, reverse: bool = False
) -> Verdict:
    """Has an answer graded: all draws at once, and the mean of the marks that can be read.

    Args:
        judge: what is asked.
        task: what was asked of others.
        answer: is graded; one without text has the worst mark, and nobody is asked.
        calls: how the model is reached.
        again: see `Judge.requests`.
        reverse: see `Judge.requests`.

    Raises:
        CapReached, BudgetBreach: as `JudgeCalls.ask`; draws that were paid for are not asked again.
    """
    if not answer.strip():
        return Verdict((), 0.0, Status.OK)
    requests = judge.requests(task, answer, again=again, reverse=reverse)
    # To the end of all: what has been sent is billed, whatever becomes of another draw.
    drawn = await asyncio.gather(*(_draw(judge, request, calls) for request in requests), return_exceptions=True)
    problems = [found for found in drawn if isinstance(found, BaseException)]
    if problems:
        raise _gravest(problems)
    read = [found for found in drawn if not isinstance(found, BaseException)]
    marks = tuple(mark for mark, _, _ in read if mark is not None)
    status, reason = next(((how, why) for mark, how, why in read if mark is None), (Status.OK, ""))
    return Verdict(marks, judge.score(marks), Status.OK, reason) if marks else Verdict((), None, status, reason)


async def _draw(judge: Judge, request: JudgeRequest, calls: JudgeCalls) -> tuple[float | None, Status, str]:
    try:
        reply = await calls.ask(request)
    except CallFailed as failure:
        return None, failure.status, failure.reason
    cut = reply.finish_reason == "length"
    refused = _NO_VERDICT.get(reply.finish_reason)
    if refused is not None:
        return None, refused, f"the judge gave no verdict ({reply.finish_reason})"
    mark = judge.read(reply.text, cut=cut)
    if mark.value is not None:
        return mark.value, Status.OK, ""
    status = Status.STARVED if cut else Status.PARSE_ERROR
    reason = f"the verdict was cut off at {request.max_output_tokens} tokens" if cut else mark.reason
    calls.read_as(reply, status, reason)
    return None, status, reason


def _gravest(problems: Sequence[BaseException]) -> BaseException:
    plain = [problem for problem in problems if isinstance(problem, Exception)]
    return gravest(ExceptionGroup("draws", plain)) if len(plain) == len(problems) else problems[0]
