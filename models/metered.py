"""The one place that reserves, calls, settles and records."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from ..budgets.ledger import Ledger
from ..errors import BudgetBreach, CallFailed
from ..records.protocols import FactBook, ReplyCache
from ..records.rows import Settlement, StoredReply
from ..records.status import Status
from ..records.usage import ZERO, Amount, Usage
from .attempt import Attempt, Meter, cost, credible
from .base import Model, stream_of
from .breaches import Breaches
from .call_bounds import call_bounds
from .card import ModelCard
from .delta import Delta, Given, deltas_of
from .departure import Departure, announces
from .flights import Flights
from .pool import Pool
from .reasoning import reasoning_apart
from .reasoning_stream import ReasoningStream
from .request import Reply, Request
from .stored_replies import StoredReplies

__all__ = ["Meter", "MeteredCaller", "call_bound"]

T = TypeVar("T")

_BACKOFF_SECONDS = (0.5, 8.0)
"""The first wait between attempts and the longest; doubled each time, with up to a quarter of jitter."""
_LONGEST_RETRY_AFTER = 120.0
"""Seconds; an endpoint that asks for more is given up."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request that may be sent."""

    model: Model
    card: ModelCard
    request: Request
    key: str
    """The content address of the request."""
    question: str
    """What is the same for all requests that one reply may answer."""
    bound: Amount
    meter: Meter


class _Patience:
    """How often and after which waits a call is tried."""

    def __init__(self, card: ModelCard, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._most = card.attempts
        self._sleep = sleep
        self._wait = _BACKOFF_SECONDS[0]
        self.number = 1
        """Of the attempt in progress."""

    async def wait(self, failure: CallFailed) -> None:
        """Waits for the next attempt; raises the failure of the one before where there is none."""
        pause = 0.0 if failure.at_once else failure.retry_after or 0.0
        if not failure.retryable or self.number == self._most or pause > _LONGEST_RETRY_AFTER:
            raise failure
        self.number += 1
        if not failure.at_once:
            await self._sleep(max(pause, self._wait * random.uniform(1.0, 1.25)))
            self._wait = min(2 * self._wait, _BACKOFF_SECONDS[1])


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
        call = self._prepared(request, meter)
        known = await self._found(call)
        if known is not None:
            return await self._replay(call, known, replaces)
        try:
            patience = _Patience(call.card, self._sleep)
            while True:
                begun = await self._begin(call, patience.number, replaces)
                if isinstance(begun, Reply):
                    return begun
                replaces = None
                try:
                    return await self._complete(call.model, begun)
                except CallFailed as failure:
                    await patience.wait(failure)
        finally:
            self._flights.end(call.question)

    async def stream(
        self, request: Request, meter: Meter, *, replaces: str | None = None
    ) -> AsyncGenerator[Delta | Reply, None]:
        """As `call`, piece by piece: deltas as they come, and last the whole reply, booked and stored as by `call`.

        Close it where it is left before its end (`contextlib.aclosing`). The attempt then ends, and is lost at what it
        used, or at its bound where that is not certain; nothing is stored of it. A failed attempt is followed by
        another only as long as nothing was given on. Texts are given with their reasoning apart, see
        `ReasoningStream`; a breach is found at the end, when its text has been given on.

        A stored reply is given as a stream too. An equal request waits until this stream has ended.

        Args and errors are those of `call`.
        """
        call = self._prepared(request, meter)
        known = await self._found(call)
        if known is not None:
            said = await self._replay(call, known, replaces)
            for delta in deltas_of(said):
                yield delta
            yield said
            return
        try:
            patience = _Patience(call.card, self._sleep)
            while True:
                begun, given = await self._begin(call, patience.number, replaces), Given()
                replaces = None
                try:
                    async with aclosing(self._streamed(call.model, begun, given)) as items:
                        async for item in items:
                            yield item
                    return
                except CallFailed as failure:
                    if given:
                        raise
                    await patience.wait(failure)
        finally:
            self._flights.end(call.question)

    def _prepared(self, request: Request, meter: Meter) -> _Call:
        model = self._pool.model(request.model)
        card = model.card
        if card.output_cap == "ignored":
            raise CallFailed(
                Status.REFUSED,
                f"model {card.name!r} has no output cap (its card says 'ignored'), so no call to it is bounded",
                billed=False,
            )
        self._breaches.check(card)
        if request.max_output_tokens > card.max_output_tokens:
            request = replace(request, max_output_tokens=card.max_output_tokens)
        known = self._known[card.name]
        key, question = known.key(request), known.question(request)
        return _Call(model, card, request, key, question, call_bound(model, request), meter)

    async def _found(self, call: _Call) -> Reply | None:
        """The stored reply, once no equal request is in flight; where there is none, this one's flight has begun."""
        while True:
            reply = self._known[call.card.name].find(call.request, call.key)
            if reply is not None or await self._flights.begin(call.question):
                return reply

    async def _replay(self, call: _Call, reply: Reply, replaces: str | None) -> Reply:
        charged, lost = cost(reply, call.request, call.card, call.bound)
        if charged.exceeds(call.bound):
            # Of the card of today, not of the endpoint, so it bars nothing.
            raise BudgetBreach(call.card.name, call.bound.tokens, charged.tokens)
        meter = call.meter
        reservation_id = await self._ledger.reserve(meter.account_id, call.bound, cached=True, replaces=replaces)
        attempt = Attempt(call.request, call.card, call.key, meter, reservation_id, 1, call.bound)
        row = attempt.completed(reply, charged=charged, lost=lost, cached=True)
        self._ledger.settle(Settlement(reservation_id, charged, lost), row)
        said = reasoning_apart(reply)
        meter.add(row, said)
        return said

    async def _begin(self, call: _Call, number: int, replaces: str | None) -> Attempt | Reply:
        """Reserves for an attempt; where the reply is there by then, that."""
        waits = announces(call.model)
        reservation_id = await self._ledger.reserve(call.meter.account_id, call.bound, replaces=replaces, unsent=waits)
        # Another process may have stored the reply meanwhile: what was on the books before this reservation is
        # seen now, so that no settled call is paid twice.
        known = self._known[call.card.name].find(call.request, call.key)
        if known is not None:
            self._ledger.release(reservation_id)
            return await self._replay(call, known, None)
        return Attempt(
            call.request, call.card, call.key, call.meter, reservation_id, number, call.bound, sent=not waits
        )

    async def _complete(self, model: Model, attempt: Attempt) -> Reply:
        try:
            reply = await self._send(attempt, model.complete(attempt.request))
            charged, lost, stored = self._worth(attempt, reply)
        except CallFailed as failure:
            self._settle_failure(attempt, failure)
            raise
        except BaseException as stopped:
            # A cancelled task must not await here: a second cancellation would interrupt the settlement.
            self._settle_stopped(attempt, stopped)
            raise
        return self._settle_reply(attempt, reply, charged, lost, stored)

    async def _streamed(
        self, model: Model, begun: Attempt | Reply, given: Given
    ) -> AsyncGenerator[Delta | Reply, None]:
        """An attempt piece by piece; settled before anything else is done about its end."""
        if isinstance(begun, Reply):
            last: Iterable[Delta | Reply] = (*deltas_of(begun), begun)
        else:
            stream, thinking, usage = stream_of(model, begun.request), ReasoningStream(), None
            try:
                try:
                    while isinstance(item := await self._send(begun, anext(stream, None)), Delta):
                        usage = item.usage or usage
                        delta = thinking.add(item)
                        if delta.says_something:
                            given.add(delta)
                            yield delta
                    if item is None:
                        raise TypeError(f"the stream of model {begun.card.name!r} ended without a reply")
                    charged, lost, stored = self._worth(begun, item)
                except CallFailed as failure:
                    self._settle_failure(begun, failure)
                    raise
                except BaseException as stopped:
                    self._settle_stopped(begun, stopped, usage)
                    raise
                said = self._settle_reply(begun, item, charged, lost, stored)
            finally:
                await stream.aclose()
            held = thinking.end()
            given.add(held)
            last = (held, *given.rest(said), said)
        for each in last:
            if isinstance(each, Reply) or each.says_something:
                yield each

    async def _send(self, attempt: Attempt, sending: Awaitable[T]) -> T:
        """Waits for what sends the request, and notes when it leaves."""
        if attempt.sent:
            return await sending

        def mark() -> None:
            self._ledger.mark_sent(attempt.reservation_id)
            attempt.sent = True

        with Departure(mark).expected():
            return await sending

    def _worth(self, attempt: Attempt, reply: Reply) -> tuple[Amount, Amount, StoredReply]:
        """What a reply is charged, what is lost with it, and how it is stored."""
        charged, lost = cost(reply, attempt.request, attempt.card, attempt.bound)
        place = self._known[attempt.card.name].place(attempt.request, attempt.key, reply)
        return charged, lost, StoredReply(place, reply.to_json(), charged + lost)

    def _settle_reply(
        self, attempt: Attempt, reply: Reply, charged: Amount, lost: Amount, stored: StoredReply
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

    def _settle_failure(self, attempt: Attempt, failure: CallFailed) -> None:
        if not (failure.billed and attempt.sent):
            row = attempt.row(failure.status, error=failure.reason)
            self._ledger.settle(Settlement(attempt.reservation_id), row)
            attempt.meter.add(row)
            return
        card, usage = attempt.card, failure.usage if credible(failure.usage, attempt.request) else None
        lost = attempt.bound if usage is None else card.charge(usage)
        self._lose(attempt, failure.status, failure.reason, usage, lost)
        if lost.exceeds(attempt.bound):
            raise self._breaches.add(card, attempt.bound, lost) from failure

    def _settle_stopped(self, attempt: Attempt, stopped: BaseException, usage: Usage | None = None) -> None:
        """Settles what was cancelled, left by its reader, or failed in an unforeseen way."""
        left = isinstance(stopped, asyncio.CancelledError | GeneratorExit)
        known = usage if credible(usage, attempt.request) else None
        lost = attempt.card.charge(known) if known is not None else attempt.bound if attempt.sent else ZERO
        error = "the reader left" if isinstance(stopped, GeneratorExit) else type(stopped).__name__
        self._lose(attempt, Status.CANCELLED if left else Status.PROVIDER_ERROR, error, known, lost)
        if lost.exceeds(attempt.bound):
            self._breaches.add(attempt.card, attempt.bound, lost)

    def _lose(self, attempt: Attempt, outcome: Status, error: str, usage: Usage | None, lost: Amount) -> None:
        row = attempt.row(outcome, error=error, usage=usage, lost=lost)
        self._ledger.settle(Settlement(attempt.reservation_id, lost=lost), row)
        attempt.meter.add(row)


def call_bound(model: Model, request: Request) -> Amount:
    """The most that one attempt at this request can be charged, in all units."""
    bounds = call_bounds(model, request)
    return model.card.amount(bounds.input_tokens, bounds.output_tokens)
