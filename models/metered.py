"""The one place that reserves, calls, settles and records."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..budgets.ledger import Ledger
from ..errors import BudgetBreach, CallFailed
from ..records.protocols import FactBook, ReplyCache
from ..records.rows import CallRow, Settlement, StoredReply
from ..records.status import Status
from ..records.usage import MOST_TOKENS, NO_USAGE, ZERO, Amount, Usage
from .base import Model
from .breaches import Breaches
from .call_bounds import call_bounds
from .card import ModelCard
from .departure import Departure, announces
from .flights import Flights
from .pool import Pool
from .reasoning import reasoning_apart
from .request import ChatMessage, Reply, Request
from .stored_replies import StoredReplies
from .tools import calls_as_sent

__all__ = ["Meter", "MeteredCaller", "call_bound"]

_BACKOFF_SECONDS = (0.5, 8.0)
"""The first wait between attempts and the longest; doubled each time, with up to a quarter of jitter."""
_LONGEST_RETRY_AFTER = 120.0
"""Seconds; an endpoint that asks for more is given up."""
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
class _Attempt:
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


class MeteredCaller:
    """Completes requests from the cache or from a model, under the ledger.

    Each attempt has its own reservation and its own row. Replies are stored as the model wrote them, and handed on
    with the reasoning apart from the answer. Equal requests in flight at the same time are sent once.
    A model whose endpoint charged more than its reservation is not called again, by later processes neither.

    Args:
        pool: the models.
        ledger: the accounts.
        cache: the replies known so far; the ledger's backend adds to them at settlement.
        facts: where breaches are kept for later processes, for example the store.
        sleep: how to wait between attempts.
    """

    def __init__(
        self,
        pool: Pool,
        ledger: Ledger,
        cache: ReplyCache,
        *,
        facts: FactBook | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._sleep = sleep
        self._flights = Flights()
        self._breaches = Breaches(facts)
        self._known = {card.name: StoredReplies(cache, card) for card in pool.cards}

    @property
    def pool(self) -> Pool:
        """The models that can be called."""
        return self._pool

    @property
    def ledger(self) -> Ledger:
        """The accounts."""
        return self._ledger

    async def call(self, request: Request, meter: Meter, *, replaces: str | None = None) -> Reply:
        """Completes a request.

        Args:
            request: what is asked; its output cap is lowered to what the card allows.
            meter: of the span that asks; its account is charged.
            replaces: a held allowance whose room this call may use.

        Raises:
            CapReached: the reservation did not fit, and nothing could be released.
            CallFailed: all attempts failed, or the model cannot be capped.
            BudgetBreach: the endpoint charged more than its reservation.
        """
        model = self._pool.model(request.model)
        card = model.card
        self._admit(card)
        if request.max_output_tokens > card.max_output_tokens:
            request = replace(request, max_output_tokens=card.max_output_tokens)
        bound = call_bound(model, request)
        known = self._known[card.name]
        key, question = known.key(request), known.question(request)
        while True:
            reply = known.find(request, key)
            if reply is not None:
                return await self._replay(reply, request, key, card, bound, meter, replaces)
            if await self._flights.begin(question):
                break
        try:
            return await self._attempts(model, request, key, bound, meter, replaces)
        finally:
            self._flights.end(question)

    def _admit(self, card: ModelCard) -> None:
        if card.output_cap == "ignored":
            raise CallFailed(
                Status.REFUSED,
                f"model {card.name!r} has no output cap (its card says 'ignored'), so no call to it is bounded",
                billed=False,
            )
        self._breaches.check(card)

    async def _replay(
        self,
        reply: Reply,
        request: Request,
        key: str,
        card: ModelCard,
        bound: Amount,
        meter: Meter,
        replaces: str | None,
    ) -> Reply:
        charged, lost = _cost(reply, request, card, bound)
        if charged.exceeds(bound):
            # Of the card of today, not of the endpoint, so it bars nothing.
            raise BudgetBreach(card.name, bound.tokens, charged.tokens)
        reservation_id = await self._ledger.reserve(meter.account_id, bound, cached=True, replaces=replaces)
        attempt = _Attempt(request, card, key, meter, reservation_id, 1, bound)
        row = attempt.completed(reply, charged=charged, lost=lost, cached=True)
        self._ledger.settle(Settlement(reservation_id, charged, lost), row)
        said = reasoning_apart(reply)
        meter.add(row, said)
        return said

    async def _attempts(
        self, model: Model, request: Request, key: str, bound: Amount, meter: Meter, replaces: str | None
    ) -> Reply:
        card = model.card
        wait = _BACKOFF_SECONDS[0]
        for number in range(1, card.attempts + 1):
            waits = announces(model)
            reservation_id = await self._ledger.reserve(meter.account_id, bound, replaces=replaces, unsent=waits)
            replaces = None
            # Another process may have stored the reply meanwhile: what was on the books before this reservation is
            # seen now, so that no settled call is paid twice.
            known = self._known[card.name].find(request, key)
            if known is not None:
                self._ledger.release(reservation_id)
                return await self._replay(known, request, key, card, bound, meter, None)
            attempt = _Attempt(request, card, key, meter, reservation_id, number, bound, sent=not waits)
            try:
                return await self._complete(model, attempt)
            except CallFailed as failure:
                pause = 0.0 if failure.at_once else failure.retry_after or 0.0
                if not failure.retryable or number == card.attempts or pause > _LONGEST_RETRY_AFTER:
                    raise
                if failure.at_once:
                    continue
            await self._sleep(max(pause, wait * random.uniform(1.0, 1.25)))
            wait = min(2 * wait, _BACKOFF_SECONDS[1])
        raise AssertionError("a card allows at least one attempt")

    async def _complete(self, model: Model, attempt: _Attempt) -> Reply:
        try:
            reply = await self._send(model, attempt)
            charged, lost = _cost(reply, attempt.request, attempt.card, attempt.bound)
            place = self._known[attempt.card.name].place(attempt.request, attempt.key, reply)
            stored = StoredReply(place, reply.to_json(), charged + lost)
        except CallFailed as failure:
            self._settle_failure(attempt, failure)
            raise
        except BaseException as stopped:
            # A cancelled task must not await here: a second cancellation would interrupt the settlement.
            outcome = Status.CANCELLED if isinstance(stopped, asyncio.CancelledError) else Status.PROVIDER_ERROR
            self._lose(attempt, outcome, type(stopped).__name__, None, attempt.bound if attempt.sent else ZERO)
            raise
        return self._settle_reply(attempt, reply, charged, lost, stored)

    async def _send(self, model: Model, attempt: _Attempt) -> Reply:
        def mark() -> None:
            self._ledger.mark_sent(attempt.reservation_id)
            attempt.sent = True

        if attempt.sent:
            return await model.complete(attempt.request)
        with Departure(mark).expected():
            return await model.complete(attempt.request)

    def _settle_reply(
        self, attempt: _Attempt, reply: Reply, charged: Amount, lost: Amount, stored: StoredReply
    ) -> Reply:
        bound, said = attempt.bound, reasoning_apart(reply)
        row = attempt.completed(reply, charged=charged, lost=lost)
        breached = charged.exceeds(bound)
        # The reply of a breach is used by nobody, and in the cache it would pass the next cap too.
        self._ledger.settle(Settlement(attempt.reservation_id, charged, lost), row, None if breached else stored)
        attempt.meter.add(row, said)
        if breached:
            raise self._breaches.add(attempt.card, bound, charged)
        return said

    def _settle_failure(self, attempt: _Attempt, failure: CallFailed) -> None:
        if not (failure.billed and attempt.sent):
            row = attempt.row(failure.status, error=failure.reason)
            self._ledger.settle(Settlement(attempt.reservation_id), row)
            attempt.meter.add(row)
            return
        card, usage = attempt.card, failure.usage if _credible(failure.usage, attempt.request) else None
        lost = attempt.bound if usage is None else card.charge(usage)
        self._lose(attempt, failure.status, failure.reason, usage, lost)
        if lost.exceeds(attempt.bound):
            raise self._breaches.add(card, attempt.bound, lost) from failure

    def _lose(self, attempt: _Attempt, outcome: Status, error: str, usage: Usage | None, lost: Amount) -> None:
        row = attempt.row(outcome, error=error, usage=usage, lost=lost)
        self._ledger.settle(Settlement(attempt.reservation_id, lost=lost), row)
        attempt.meter.add(row)


def call_bound(model: Model, request: Request) -> Amount:
    """The most that one attempt at this request can be charged, in all units."""
    bounds = call_bounds(model, request)
    return model.card.amount(bounds.input_tokens, bounds.output_tokens)


def _written(message: ChatMessage) -> dict[str, Any]:
    """A message of a prompt as its call's row keeps it."""
    calls = {"tool_calls": calls_as_sent(message.tool_calls)} if message.tool_calls else {}
    answers = {"tool_call_id": message.tool_call_id} if message.tool_call_id else {}
    return {"role": message.role, "content": message.content, **calls, **answers}


def _text_with_calls(reply: Reply) -> str:
    """The text of a reply, and below it each call of a tool on a line."""
    return "\n".join(filter(None, (reply.text, *(f"Call: {c.name} {c.arguments}" for c in reply.tool_calls))))


def _cost(reply: Reply, request: Request, card: ModelCard, bound: Amount) -> tuple[Amount, Amount]:
    """What a reply is charged and what is lost with it, by the card of today: the same from a model and the cache."""
    usage = reply.usage
    if usage is None or not _credible(usage, request, reply.said or reply.reasoning):
        return ZERO, bound
    if reply.finish_reason == "length" and usage.output_tokens < request.max_output_tokens:
        # Some servers report one token too few when a reply is cut at its cap.
        usage = replace(usage, output_tokens=request.max_output_tokens)
    return card.charge(usage), ZERO


def _credible(usage: Usage | None, request: Request, said: str = "") -> bool:
    """Whether counts can be true: text that was read or written takes at least one token."""
    if usage is None:
        return False
    counts = (usage.input_tokens, usage.output_tokens)
    if any(type(count) is not int or not 0 <= count < MOST_TOKENS for count in counts):
        return False
    read = any(message.content for message in request.messages)
    return usage.input_tokens >= read and usage.output_tokens >= bool(said)
