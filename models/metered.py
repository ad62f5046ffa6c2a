"""The one place that reserves, calls, settles and records."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ..budgets.bounds import prompt_bound
from ..budgets.ledger import Ledger
from ..errors import BudgetBreach, CallFailed
from ..records.protocols import ReplyCache
from ..records.rows import CallRow, Settlement, StoredReply
from ..records.status import Status
from ..records.text import longest_bytes
from ..records.usage import ZERO, Amount, Usage
from .base import Model
from .card import ModelCard
from .pool import Pool
from .request import Reply, Request

__all__ = ["Meter", "MeteredCaller", "call_bound"]

_BACKOFF_SECONDS = (0.5, 8.0)
"""The first wait between attempts and the longest; doubled each time, with up to a quarter of jitter."""
_LONGEST_RETRY_AFTER = 120.0
"""Seconds; an endpoint that asks for more is given up."""


@dataclass(slots=True)
class Meter:
    """Adds up what the calls of one span cost. Its span owns it."""

    account_id: str
    run_id: str
    span_id: str
    charged: Amount = ZERO
    lost: Amount = ZERO
    calls: int = 0

    def add(self, charged: Amount, lost: Amount) -> None:
        """Books one settled attempt."""
        self.charged += charged
        self.lost += lost
        self.calls += 1


class MeteredCaller:
    """Completes requests from the cache or from a model, under the ledger.

    Each attempt has its own reservation and its own row. Equal requests in flight at the same time are sent once.
    A model whose endpoint charged more than its reservation is not called again.

    Args:
        pool: the models.
        ledger: the accounts.
        cache: the replies known so far; the ledger's backend adds to them at settlement.
        sleep: how to wait between attempts.
    """

    def __init__(
        self,
        pool: Pool,
        ledger: Ledger,
        cache: ReplyCache,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._cache = cache
        self._sleep = sleep
        self._flights: dict[str, asyncio.Future[None]] = {}
        self._breaches: dict[str, BudgetBreach] = {}

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
        key = request.key(card.fingerprint)
        while True:
            stored = self._cache.get(key)
            if stored is not None:
                return await self._replay(stored, request, card, bound, meter, replaces)
            flight = self._flights.get(key)
            if flight is None:
                break
            await asyncio.wait({flight})
        flight = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            return await self._attempts(model, request, key, bound, meter, replaces)
        finally:
            del self._flights[key]
            flight.set_result(None)

    def _admit(self, card: ModelCard) -> None:
        if card.output_cap == "ignored":
            raise CallFailed(
                Status.REFUSED,
                f"model {card.name!r} has no output cap (its card says 'ignored'), so no call to it is bounded",
                billed=False,
            )
        if card.name in self._breaches:
            raise self._breaches[card.name]

    async def _replay(
        self, stored: StoredReply, request: Request, card: ModelCard, bound: Amount, meter: Meter, replaces: str | None
    ) -> Reply:
        reservation_id = await self._ledger.reserve(meter.account_id, bound, cached=True, replaces=replaces)
        reply = Reply.from_json(stored.payload)
        row = _row(request, card, stored.request_key, meter, reservation_id, 1, bound)
        row = replace(_completed(row, reply), charged=stored.charged, cached=True, ended_at=row.started_at)
        self._ledger.settle(Settlement(reservation_id, charged=stored.charged), row)
        meter.add(stored.charged, ZERO)
        return reply

    async def _attempts(
        self, model: Model, request: Request, key: str, bound: Amount, meter: Meter, replaces: str | None
    ) -> Reply:
        card = model.card
        wait = _BACKOFF_SECONDS[0]
        for attempt in range(1, card.attempts + 1):
            reservation_id = await self._ledger.reserve(meter.account_id, bound, replaces=replaces)
            replaces = None
            row = _row(request, card, key, meter, reservation_id, attempt, bound)
            try:
                return await self._attempt(model, request, row, meter)
            except CallFailed as failure:
                asked = failure.retry_after or 0.0
                if not failure.retryable or attempt == card.attempts or asked > _LONGEST_RETRY_AFTER:
                    raise
            await self._sleep(max(asked, wait * random.uniform(1.0, 1.25)))
            wait = min(2 * wait, _BACKOFF_SECONDS[1])
        raise AssertionError("a card allows at least one attempt")

    async def _attempt(self, model: Model, request: Request, row: CallRow, meter: Meter) -> Reply:
        try:
            reply = await model.complete(request)
        except CallFailed as failure:
            self._settle_failure(row, failure, model.card, meter)
            raise
        except BaseException as stopped:
            # A cancelled task must not await here: a second cancellation would interrupt the settlement.
            outcome = Status.CANCELLED if isinstance(stopped, asyncio.CancelledError) else Status.PROVIDER_ERROR
            self._lose(row, outcome, type(stopped).__name__, None, meter)
            raise
        return self._settle_reply(row, request, reply, model.card, meter)

    def _settle_reply(self, row: CallRow, request: Request, reply: Reply, card: ModelCard, meter: Meter) -> Reply:
        row = replace(_completed(row, reply), ended_at=time.time())
        usage = _credible(reply, request)
        if usage is None:
            stored = StoredReply(row.request_key, reply.to_json(), row.bound)
            row = replace(row, lost=row.bound, usage=None)
            self._ledger.settle(Settlement(row.reservation_id, lost=row.bound), row, stored)
            meter.add(ZERO, row.bound)
            return reply
        charged = card.charge(usage)
        row = replace(row, charged=charged)
        stored = StoredReply(row.request_key, reply.to_json(), charged)
        self._ledger.settle(Settlement(row.reservation_id, charged=charged), row, stored)
        meter.add(charged, ZERO)
        if charged.exceeds(row.bound):
            breach = BudgetBreach(card.name, row.bound.tokens, charged.tokens)
            self._breaches[card.name] = breach
            raise breach
        return reply

    def _settle_failure(self, row: CallRow, failure: CallFailed, card: ModelCard, meter: Meter) -> None:
        if not failure.billed:
            row = replace(row, outcome=failure.status, error=failure.reason, ended_at=time.time())
            self._ledger.settle(Settlement(row.reservation_id), row)
            meter.add(ZERO, ZERO)
            return
        lost = row.bound if failure.usage is None else card.charge(failure.usage)
        self._lose(row, failure.status, failure.reason, failure.usage, meter, lost)

    def _lose(
        self, row: CallRow, outcome: Status, error: str, usage: Usage | None, meter: Meter, lost: Amount | None = None
    ) -> None:
        lost = row.bound if lost is None else lost
        row = replace(row, outcome=outcome, error=error, usage=usage, lost=lost, ended_at=time.time())
        self._ledger.settle(Settlement(row.reservation_id, lost=lost), row)
        meter.add(ZERO, lost)


def call_bound(model: Model, request: Request) -> Amount:
    """The most that one attempt at this request can be charged, in all units."""
    card = model.card
    prompt = prompt_bound(
        [m.content for m in request.messages],
        template_tokens=card.template_tokens,
        message_tokens=card.message_tokens,
        exact=model.count_tokens(request.messages) if card.exact_tokenizer else None,
    ) + longest_bytes(request.response_schema)
    output = min(request.max_output_tokens, card.max_output_tokens) + card.output_slack_tokens
    return card.amount(prompt, output)


def _credible(reply: Reply, request: Request) -> Usage | None:
    """The usage to charge: as reported, but at least the output cap where the reply ran into it."""
    usage = reply.usage
    if usage is None or usage.input_tokens < 0 or usage.output_tokens < 0:
        return None
    if reply.finish_reason == "length" and usage.output_tokens < request.max_output_tokens:
        # Some servers report one token too few when a reply is cut at its cap.
        return replace(usage, output_tokens=request.max_output_tokens)
    return usage


def _row(
    request: Request, card: ModelCard, key: str, meter: Meter, reservation_id: str, attempt: int, bound: Amount
) -> CallRow:
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    now = time.time()
    return CallRow(
        call_id=uuid.uuid4().hex,
        run_id=meter.run_id,
        span_id=meter.span_id,
        reservation_id=reservation_id,
        attempt=attempt,
        request_key=key,
        request_model=card.name,
        operation_name="chat",
        provider_name=card.provider,
        request_max_tokens=request.max_output_tokens,
        request_temperature=request.temperature,
        request_seed=request.seed,
        sample_index=request.sample,
        request_messages=json.dumps(messages, ensure_ascii=False, separators=(",", ":")),
        started_at=now,
        ended_at=now,
        outcome=Status.OK,
        bound=bound,
    )


def _completed(row: CallRow, reply: Reply) -> CallRow:
    starved = reply.finish_reason == "length" and not reply.text.strip()
    outcome = {"content_filter": Status.FILTERED, "refusal": Status.REFUSED}.get(
        reply.finish_reason, Status.STARVED if starved else Status.OK
    )
    return replace(
        row,
        outcome=outcome,
        usage=reply.usage,
        response_model=reply.response_model,
        response_id=reply.response_id,
        finish_reason=reply.finish_reason,
        output_text=reply.text,
    )
