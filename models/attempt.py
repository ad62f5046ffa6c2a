"""One attempt at a model: the row that it leaves, and what it costs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

from ..records.rows import CallRow
from ..records.status import Status
from ..records.usage import MOST_TOKENS, NO_USAGE, ZERO, Amount, Usage
from .card import ModelCard
from .reasoning import reasoning_apart
from .request import ChatMessage, Reply, Request
from .tools import calls_as_sent

__all__ = ["Attempt", "Meter", "cost", "credible"]

_OUTCOMES = {"content_filter": Status.FILTERED, "refusal": Status.REFUSED}
_TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(slots=True)
class Meter:
    """Adds up what the calls of one span cost. Its span owns it."""

    account_id: str
    run_id: str
    span_id: str
    charged: Amount = ZERO
    lost: Amount = ZERO
    usage: Usage = NO_USAGE
    """Of the replies, as far as it was reported and credible."""
    booked: list[tuple[CallRow, Reply | None]] = field(default_factory=list)
    """The row of each attempt, with its reply where one came, in the order of their ends."""

    @property
    def calls(self) -> int:
        """How many attempts were settled."""
        return len(self.booked)

    def add(self, row: CallRow, reply: Reply | None = None) -> None:
        """Books one settled attempt."""
        self.charged += row.charged
        self.lost += row.lost
        if reply is not None and reply.usage is not None and row.lost == ZERO:
            self.usage += reply.usage
        self.booked.append((row, reply))

    def read_as(self, reply: Reply, outcome: Status, reason: str) -> CallRow | None:
        """The row of the call that gave a reply, with what came of reading it; None where the row says so already."""
        error = "; ".join(filter(None, (reason, reply.note)))
        for place, (row, given) in enumerate(self.booked):
            if given is reply and (row.outcome, row.error) != (outcome, error):
                row = replace(row, outcome=outcome, error=error)
                self.booked[place] = row, reply
                return row
        return None


@dataclass(slots=True)
class Attempt:
    """One attempt in progress. Its row is made once, at its end, because making rows is what costs here."""

    request: Request
    card: ModelCard
    key: str
    meter: Meter
    reservation_id: str
    number: int
    """Counted from 1."""
    bound: Amount
    sent: bool = True
    """Whether it may have left this process, and so may be billed."""
    started_at: float = field(default_factory=time.time)

    def completed(self, reply: Reply, *, charged: Amount, lost: Amount, cached: bool = False) -> CallRow:
        """The row of an attempt that was answered; it is lost where the usage was not credible."""
        outcome = _OUTCOMES.get(reply.finish_reason, Status.OK)
        if reply.finish_reason == "length" and not reasoning_apart(reply).said.strip():
            outcome = Status.STARVED
        usage = reply.usage if lost == ZERO else None
        return self.row(outcome, reply=reply, usage=usage, charged=charged, lost=lost, cached=cached)

    def row(
        self,
        outcome: Status,
        *,
        reply: Reply | None = None,
        usage: Usage | None = None,
        charged: Amount = ZERO,
        lost: Amount = ZERO,
        cached: bool = False,
        error: str = "",
    ) -> CallRow:
        """The row of the attempt, which ends now."""
        request = self.request
        return CallRow(
            call_id=os.urandom(16).hex(),
            run_id=self.meter.run_id,
            span_id=self.meter.span_id,
            reservation_id=self.reservation_id,
            attempt=self.number,
            request_key=self.key,
            request_model=self.card.name,
            operation_name="chat",
            provider_name=self.card.provider,
            request_max_tokens=request.max_output_tokens,
            request_temperature=request.temperature,
            request_seed=request.seed,
            sample_index=request.sample,
            request_messages=_TO_JSON([_written(message) for message in request.conversation]),
            started_at=self.started_at,
            ended_at=self.started_at if cached else time.time(),
            outcome=outcome,
            bound=self.bound,
            charged=charged,
            lost=lost,
            cached=cached,
            usage=usage,
            response_model="" if reply is None else reply.response_model,
            response_id="" if reply is None else reply.response_id,
            finish_reason="" if reply is None else reply.finish_reason,
            output_text="" if reply is None else _text_with_calls(reply),
            error=error or ("" if reply is None else reply.note),
            reasoning_text="" if reply is None else reply.reasoning,
        )


def cost(reply: Reply, request: Request, card: ModelCard, bound: Amount) -> tuple[Amount, Amount]:
    """What a reply is charged and what is lost with it, by the card of today: the same from a model and the cache."""
    usage = reply.usage
    if usage is None or not credible(usage, request, reply.said or reply.reasoning):
        return ZERO, bound
    if reply.finish_reason == "length" and usage.output_tokens < request.max_output_tokens:
        # Some servers report one token too few when a reply is cut at its cap.
        usage = replace(usage, output_tokens=request.max_output_tokens)
    return card.charge(usage), ZERO


def credible(usage: Usage | None, request: Request, said: str = "") -> bool:
    """Whether counts can be true: text that was read or written takes at least one token."""
    if usage is None:
        return False
    counts = (usage.input_tokens, usage.output_tokens)
    if any(type(count) is not int or not 0 <= count < MOST_TOKENS for count in counts):
        return False
    read = any(message.content for message in request.messages)
    return usage.input_tokens >= read and usage.output_tokens >= bool(said)


def _written(message: ChatMessage) -> dict[str, Any]:
    """A message of a prompt as its call's row keeps it."""
    calls = {"tool_calls": calls_as_sent(message.tool_calls)} if message.tool_calls else {}
    answers = {"tool_call_id": message.tool_call_id} if message.tool_call_id else {}
    return {"role": message.role, "content": message.content, **calls, **answers}


def _text_with_calls(reply: Reply) -> str:
    """The text of a reply, and below it each call of a tool on a line."""
    return "\n".join(filter(None, (reply.text, *(f"Call: {c.name} {c.arguments}" for c in reply.tool_calls))))
