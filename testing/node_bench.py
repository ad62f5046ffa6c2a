"""A bench to run single nodes on, with the real metered caller and accounts in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..budgets.ledger import Ledger
from ..budgets.memory import MemoryLedger
from ..errors import CallFailed, CapReached, UsageError
from ..models.base import Model
from ..models.card import ModelCard
from ..models.delta import Delta
from ..models.fees import spend
from ..models.metered import Meter, MeteredCaller, call_bound
from ..models.pool import Pool
from ..models.request import Reply, Request
from ..nodes.base import CallBound, Incoming, Inputs, Kind, Node, Scorer, Speakers
from ..nodes.kinds import kinds_with
from ..nodes.prompts import dialect_named
from ..nodes.prompts.base import Ask, Dialect
from ..records.message import ANY_SIZE, Message, MessageSize
from ..records.rows import Limit, StoredReply
from ..records.status import Status
from ..records.usage import Amount

__all__ = ["BenchContext", "NoReplies", "NodeBench", "NodeRun"]

T = TypeVar("T")


class BenchContext:
    """A `Context` for one run of one node, on the real metered caller.

    Args:
        node: its name.
        resource: what its kind opened.
        caller: makes the calls.
        meter: what they are booked on.
        left: what is left of the account; None: it has no limit.
    """

    def __init__(
        self,
        node: str,
        resource: Any,
        caller: MeteredCaller,
        meter: Meter,
        left: Callable[[], Amount | None] = lambda: None,
    ) -> None:
        self._node = node
        self._resource = resource
        self._caller = caller
        self._meter = meter
        self._left = left
        self.requests: list[Request] = []
        """Every call asked for, in order."""
        self.bounds: list[Amount] = []
        """The bound of each."""
        self.events: list[tuple[str, dict[str, object]]] = []
        self.failed_readings: list[tuple[Status, str]] = []
        """See `NodeRun.failed_readings`."""

    @property
    def node(self) -> str:
        """See `Context.node`."""
        return self._node

    @property
    def resource(self) -> Any:
        """See `Context.resource`."""
        return self._resource

    @property
    def allowance(self) -> Amount | None:
        """See `Context.allowance`; units without a limit have what the one with a limit has."""
        return self._left()

    @property
    def models(self) -> tuple[str, ...]:
        """See `Context.models`."""
        return self._caller.pool.names

    def card(self, model: str) -> ModelCard:
        """See `Context.card`."""
        return self._caller.pool.card(model)

    def dialect(self, model: str) -> Dialect:
        """See `Context.dialect`."""
        return dialect_named(self.card(model).dialect)

    def bound(self, request: Request) -> Amount:
        """See `Context.bound`."""
        return call_bound(self._caller.pool.model(request.model), request)

    async def call(self, request: Request) -> Reply:
        """See `Context.call`."""
        self.requests.append(request)
        self.bounds.append(self.bound(request))
        return await self._caller.call(request, self._meter)

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """See `Context.stream`."""
        self.requests.append(request)
        self.bounds.append(self.bound(request))
        return self._caller.stream(request, self._meter)

    async def execute(self, node: str, asked: Any, number: int) -> Message:
        """See `Context.execute`; a bench has one node."""
        raise UsageError(f"node {node!r} cannot be run on demand on a bench, which has one node; run a Workflow")

    async def spend(self, name: str, most: int, work: Callable[[], Awaitable[tuple[T, int | None]]]) -> T:
        """See `Context.spend`."""
        return await spend(self._caller.ledger, self._meter, name, most, work)

    def read_as(self, reply: Reply, status: Status, reason: str = "") -> None:
        """See `Context.read_as`."""
        if self._meter.read_as(reply, status, reason) is not None and status.failed:
            self.failed_readings.append((status, reason))

    def record(self, event: str, **fields: object) -> None:
        """See `Context.record`; refuses values that are not JSON."""
        json.dumps(fields)
        self.events.append((event, fields))


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What came of one run of a node."""

    message: Message
    charged: Amount
    lost: Amount
    requests: tuple[Request, ...]
    """Every call asked for."""
    bounds: tuple[Amount, ...]
    """Of each of them."""
    events: tuple[tuple[str, dict[str, object]], ...] = field(default=())
    failed_readings: tuple[tuple[Status, str], ...] = ()
    """Of each reply that the node could not use: status and reason."""


class NodeBench:
    """Runs single nodes with real accounts in memory.

    Args:
        models: the pool.
        kinds: further kinds, beside those of the package.
        resource: what the kind's `open` would make, where it is slow to make and shared by many runs.
    """

    def __init__(self, models: Iterable[Model], kinds: Iterable[Kind[Any]] = (), *, resource: Any = None) -> None:
        self.pool = Pool(models)
        self._kinds = kinds_with(*kinds)
        self._resource = resource

    def run(self, node: Node, inputs: Inputs, *, limit: int | None = None, name: str = "node") -> NodeRun:
        """Runs a node once under a task account with so many tokens, or without a limit.

        What a kind may raise comes back as the status that a graph makes of it.
        """
        with self._context(node, limit, name) as (context, meter):
            message = asyncio.run(_run(self._kinds[node.kind], node, inputs, context))
        requests, bounds = tuple(context.requests), tuple(context.bounds)
        events, readings = tuple(context.events), tuple(context.failed_readings)
        return NodeRun(message, meter.charged, meter.lost, requests, bounds, events, readings)

    def oracle(self, node: Node, inputs: Inputs, scorer: Scorer, *, name: str = "node") -> Message | None:
        """What the node would say if it made no mistake; None where the task does not tell.

        Raises:
            CapReached: the oracle makes a call, which it may not.
            UsageError: the kind has no oracle.
        """
        oracle = self._kinds[node.kind].oracle
        if oracle is None:
            raise UsageError(f"kind {node.kind!r} has no oracle; give `Kind` one, or leave this out")
        with self._context(node, 0, name) as (context, _):
            return asyncio.run(_awaited(oracle(node, inputs, context, scorer)))

    @contextmanager
    def _context(self, node: Node, limit: int | None, name: str) -> Iterator[tuple[BenchContext, Meter]]:
        """What the node sees, and what it is charged to."""
        kind = self._kinds[node.kind]
        ledger = Ledger(MemoryLedger(), "bench")
        ledger.open("task", limit=None if limit is None else Limit("tokens", limit))
        meter = Meter("task", "run", "span")

        def left() -> Amount | None:
            if limit is None:
                return None
            balance = ledger.balance("task")
            free = limit - (balance.charged + balance.lost + balance.reserved).tokens
            return Amount(free, free, free)

        opened = nullcontext(self._resource) if self._resource is not None or kind.open is None else kind.open(node)
        with opened as resource:
            yield BenchContext(name, resource, MeteredCaller(self.pool, ledger, NoReplies()), meter, left), meter

    def worst_case(self, node: Node, ask: Ask, incoming: Incoming) -> Amount:
        """The most that one run of a node can be charged when no attempt fails."""
        kind = self._kinds[node.kind]
        bounds, fee = kind.worst_case(node, ask, incoming, self._speakers()), kind.fee(node)
        return sum((self._amount(bound) for bound in bounds), Amount(usd=fee.usd * fee.times))

    def writes(self, node: Node, ask: Ask, incoming: Incoming) -> MessageSize:
        """The most that the node's message has, in bytes."""
        writes = self._kinds[node.kind].writes
        return ANY_SIZE if writes is None else writes(node, ask, incoming, self._speakers())

    def _speakers(self) -> Speakers:
        return Speakers(
            lambda model: dialect_named(self.pool.card(model).dialect),
            lambda model, tokens: tokens * self.pool.card(model).bytes_per_token,
            card=self.pool.card,
        )

    def _amount(self, bound: CallBound) -> Amount:
        card = self.pool.card(bound.model)
        prompt = card.template_tokens + bound.prompt_bytes + bound.messages * card.message_bound_tokens
        one = card.amount(prompt, min(bound.output_tokens, card.max_output_tokens) + card.output_slack_tokens)
        return Amount(one.tokens * bound.times, one.weighted * bound.times, one.usd * bound.times)


class NoReplies:
    """A cache that knows nothing."""

    def get(self, request_key: str) -> StoredReply | None:
        """See `ReplyCache.get`."""
        return None


async def _run(kind: Kind[Any], node: Node, inputs: Inputs, context: BenchContext) -> Message:
    try:
        return await kind.run(node, inputs, context)
    except CapReached as reached:
        return Message(status=Status.BUDGET, reason=str(reached))
    except CallFailed as failure:
        return Message(status=failure.status, reason=failure.reason)


async def _awaited(said: Awaitable[Message | None]) -> Message | None:
    return await said
