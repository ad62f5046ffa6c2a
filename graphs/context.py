"""What a node can reach while it runs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from ..errors import CapReached
from ..models.card import ModelCard
from ..models.delta import Delta
from ..models.fees import spend
from ..models.metered import Meter, MeteredCaller, call_bound
from ..models.pool import Pool
from ..models.request import Reply, Request
from ..nodes.prompts.base import Dialect
from ..records.message import Message
from ..records.status import Status
from ..records.usage import Amount

__all__ = ["NodeContext", "RunServices", "Services", "drawn"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """What all runs of a runner share."""

    pool: Pool
    caller: MeteredCaller
    dialect: Callable[[str], Dialect]
    """By the dialect's name."""
    resources: Mapping[str, Any]
    """What kinds opened, by node."""
    left: Callable[[str], Amount | None]
    """What is left on an account and its ancestors; None where none of them has a limit."""


class RunServices(Protocol):
    """What a node's context needs of its run."""

    @property
    def services(self) -> Services:
        """What all runs share."""

    @property
    def seed(self) -> int:
        """Of the run; 0 unless it is a replicate."""

    @property
    def output_cap(self) -> int | None:
        """The most tokens that any call of this run may write, where its caps were lowered to fit."""

    async def execute(self, node: str, asked: Any, number: int) -> Message:
        """Runs a node that runs on demand."""

    def short(self, reached: CapReached) -> None:
        """Notes that a reservation of this run did not fit."""

    def read_as(self, meter: Meter, reply: Reply, status: Status, reason: str) -> None:
        """Books what came of reading a reply to a call of the meter's span."""


class NodeContext:
    """Implements `nodes.base.Context` for one execution of a node."""

    __slots__ = ("_events", "_meter", "_node", "_run")

    def __init__(self, run: RunServices, node: str, meter: Meter) -> None:
        self._run = run
        self._node = node
        self._meter = meter
        self._events: list[str] = []

    @property
    def node(self) -> str:
        """See `Context.node`."""
        return self._node

    @property
    def events(self) -> str:
        """What the node recorded so far, as JSON."""
        return f"[{','.join(self._events)}]"

    @property
    def resource(self) -> Any:
        """See `Context.resource`."""
        return self._run.services.resources.get(self._node)

    @property
    def allowance(self) -> Amount | None:
        """See `Context.allowance`; units without a limit have the largest amount."""
        return self._run.services.left(self._meter.account_id)

    @property
    def models(self) -> tuple[str, ...]:
        """See `Context.models`."""
        return self._run.services.pool.names

    def card(self, model: str) -> ModelCard:
        """See `Context.card`."""
        return self._run.services.pool.card(model)

    def dialect(self, model: str) -> Dialect:
        """See `Context.dialect`."""
        services = self._run.services
        return services.dialect(services.pool.card(model).dialect)

    def bound(self, request: Request) -> Amount:
        """See `Context.bound`."""
        return call_bound(self._run.services.pool.model(request.model), request)

    async def call(self, request: Request) -> Reply:
        """See `Context.call`; what the request draws is drawn for this node and with the run's seed."""
        try:
            return await self._run.services.caller.call(self._drawn(request), self._meter)
        except CapReached as reached:
            self._run.short(reached)
            raise

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """See `Context.stream`."""
        try:
            async with aclosing(self._run.services.caller.stream(self._drawn(request), self._meter)) as items:
                async for item in items:
                    yield item
        except CapReached as reached:
            self._run.short(reached)
            raise

    async def spend(self, name: str, most: int, work: Callable[[], Awaitable[tuple[T, int | None]]]) -> T:
        """See `Context.spend`."""
        try:
            return await spend(self._run.services.caller.ledger, self._meter, name, most, work)
        except CapReached as reached:
            self._run.short(reached)
            raise

    def _drawn(self, request: Request) -> Request:
        """The request as this node makes it in this run."""
        request = drawn(request, self._run.services.pool.card(request.model), self._run.seed, self._node)
        if self._run.output_cap is not None and request.max_output_tokens > self._run.output_cap:
            return replace(request, max_output_tokens=self._run.output_cap)
        return request

    async def execute(self, node: str, asked: Any, number: int) -> Message:
        """See `Context.execute`."""
        return await self._run.execute(node, asked, number)

    def read_as(self, reply: Reply, status: Status, reason: str = "") -> None:
        """See `Context.read_as`."""
        self._run.read_as(self._meter, reply, status, reason)

    def record(self, event: str, **fields: object) -> None:
        """See `Context.record`."""
        self._events.append(json.dumps({"event": event, **fields}, ensure_ascii=False))


def drawn(request: Request, card: ModelCard, seed: int, node: str) -> Request:
    """The request as this node makes it in a run with this seed: every node and every replicate is another draw.

    What has nothing random in it is left alone: at temperature 0 all share one reply, unless the model takes no
    temperature. Both are part of the request's content address also where the endpoint takes no seed: such a draw is
    sent as a request of its own, which the endpoint answers with a draw of its own.
    """
    if request.temperature == 0 and card.temperature:
        return request
    return replace(request, seed=request.seed + seed, source=node)
