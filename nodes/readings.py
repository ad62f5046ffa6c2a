"""Replies as nodes read them: a value, or a status that says why there is none."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import BudgetBreach, CallFailed, CapReached
from ..models.request import Reply, Request
from ..records.status import Status
from ..records.text import encodable, single_spaced
from .base import Context

__all__ = ["Reading", "Unfit", "all_of", "most_informed", "read", "read_all", "whole_text"]

T = TypeVar("T")

_INFORMED = (
    Status.UNSAT,
    Status.UNKNOWN,
    Status.PARSE_ERROR,
    Status.OVERSIZE,
    Status.STARVED,
    Status.FILTERED,
    Status.REFUSED,
    Status.TOOL_ERROR,
    Status.TIMEOUT,
    Status.PROVIDER_ERROR,
    Status.BUDGET,
    Status.CANCELLED,
    Status.SKIPPED,
)
"""Failures from the one that says most about the question to the one that says least."""


class Unfit(Exception):
    """A reader's: the reply is not what was asked for, and the text says in what."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What came of one request."""

    value: T | None
    """What the reader found; None unless the status is ok."""
    status: Status = Status.OK
    reason: str = ""
    """One line on why the status is not ok."""
    text: str = ""
    """The reply's text, where there was one."""
    reply: Reply | None = None
    problem: str = ""
    """What the reader had against the reply, for the model that is asked to mend it."""

    @property
    def confidence(self) -> float | None:
        """The mean probability of the reply's tokens, as a geometric mean, where the model gives it."""
        logprob = None if self.reply is None else self.reply.mean_logprob
        return None if logprob is None else min(1.0, math.exp(logprob))

    @property
    def least_logprob(self) -> float | None:
        """The log-probability (nats) of the reply's least probable token, where the model gives it."""
        if self.reply is None:
            return None
        return min(self.reply.logprobs) if self.reply.logprobs else self.reply.least_logprob


async def read(
    request: Request,
    context: Context,
    reader: Callable[[str], T | None],
    *,
    cut: Callable[[str], T | None] | None = None,
    goes_on: bool = False,
    calls: Callable[[Reply], T | None] | None = None,
) -> Reading[T]:
    """Makes a call and reads its reply; a failed call and an unreadable reply become a status.

    Args:
        request: what is asked.
        context: of the node; is told how the reply was read.
        reader: reads a reply; raises `Unfit` where it is not what was asked for.
        cut: reads a reply that ended at its output cap; None: `reader` does.
        goes_on: whether the node goes on from a reply that ended at its output cap, so that nothing is amiss with it.
        calls: reads a reply that calls tools; may raise `Unfit` too. None: only texts are read.

    Raises:
        BudgetBreach: the model cannot be relied on, so the run must end.
    """
    try:
        reply = await context.call(request)
    except CapReached as reached:
        return Reading(None, Status.BUDGET, str(reached))
    except CallFailed as failure:
        return Reading(None, failure.status, failure.reason)
    capped = reply.finish_reason == "length"
    reading = _read(request, reply, cut if cut is not None and capped else reader, calls)
    if goes_on and capped:
        context.read_as(reply, Status.OK)
    elif reading.status.failed:
        context.read_as(reply, reading.status, reading.reason)
    return reading


def _read(
    request: Request,
    reply: Reply,
    reader: Callable[[str], T | None],
    calls: Callable[[Reply], T | None] | None,
) -> Reading[T]:
    text = encodable(whole_text(request, reply))
    if reply.finish_reason == "content_filter":
        return Reading(None, Status.FILTERED, f"the content filter of {request.model!r} cut the reply", text, reply)
    if reply.finish_reason == "refusal":
        reason = f"{request.model!r} declined: {single_spaced(text)[:80]!r}"
        return Reading(None, Status.REFUSED, reason, text, reply)
    problem = ""
    try:
        value = None
        if calls is not None and reply.tool_calls:
            value = calls(reply)
        elif reply.text.strip():
            value = reader(text)
    except Unfit as unfit:
        value, problem = None, encodable(str(unfit))
    if value is not None and value != "":
        return Reading(value, text=text, reply=reply)
    if reply.finish_reason == "length":
        reason = f"{request.model!r} used up its {request.max_output_tokens} output tokens before an answer"
        return Reading(None, Status.STARVED, reason, text, reply)
    if problem:
        reason = f"the reply of {request.model!r} cannot be used: {problem}"
        return Reading(None, Status.PARSE_ERROR, reason, text, reply, problem)
    reason = f"no answer could be read from the reply of {request.model!r}: {single_spaced(text)[:80]!r}"
    if not text.strip() and reply.reasoning:
        reason = (
            f"the reply of {request.model!r} holds reasoning and no answer: {single_spaced(reply.reasoning)[:80]!r}"
        )
    return Reading(None, Status.PARSE_ERROR, reason, text, reply)


async def read_all(
    requests: Sequence[Request],
    context: Context,
    reader: Callable[[str], T | None],
    *,
    cut: Callable[[str], T | None] | None = None,
    goes_on: bool = False,
) -> list[Reading[T]]:
    """Makes calls at the same time and reads their replies, in the order of the requests; see `read`.

    One that fails spoils no other.

    Raises:
        BudgetBreach: of the first call that has one, after all calls have ended.
    """
    return await all_of([read(request, context, reader, cut=cut, goes_on=goes_on) for request in requests])


async def all_of(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Awaits several at the same time; what they came to, in their order. One that fails spoils no other.

    Raises:
        BudgetBreach, CallFailed: of the first that has one, a breach before a failure, after all have ended.
    """
    if len(calls) == 1:
        return [await calls[0]]

    async def one(call: Coroutine[Any, Any, T]) -> T | BudgetBreach | CallFailed:
        try:
            return await call
        except (BudgetBreach, CallFailed) as problem:
            return problem  # Raised below: out of a task group it would come wrapped, and cancel the others.

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(call)) for call in calls]
    found: list[T] = []
    problems: list[BudgetBreach | CallFailed] = []
    for task in tasks:
        result = task.result()
        if isinstance(result, BudgetBreach | CallFailed):
            problems.append(result)
        else:
            found.append(result)
    if problems:
        raise min(problems, key=lambda problem: not isinstance(problem, BudgetBreach))
    return found


def most_informed(failures: Iterable[tuple[Status, str]]) -> tuple[Status, str]:
    """The failure that says most about the question, with its reason; the first of equals.

    Without any failure there was nothing to do: skipped.
    """
    failed = [failure for failure in failures if failure[0].failed]
    return min(failed, key=lambda failure: _INFORMED.index(failure[0]), default=(Status.SKIPPED, "nothing came in"))


def whole_text(request: Request, reply: Reply) -> str:
    """The reply with its given beginning, which some endpoints repeat and others do not."""
    return reply.text if reply.text.startswith(request.prefix) else request.prefix + reply.text
