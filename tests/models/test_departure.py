from __future__ import annotations

import asyncio
import gc
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import CallFailed, StoreError
from apportion.models.card import ModelCard
from apportion.models.departure import Departure
from apportion.models.endpoint import Endpoint, Transport
from apportion.models.metered import Meter, MeteredCaller, call_bound
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Request
from apportion.records import Balance, Status
from apportion.testing.fault_server import Behaviour, FaultServer

BODY = b'{"messages": [{"content": "hi"}]}'
both_transports = pytest.mark.parametrize("transport", ["aiohttp", "httpx"])


@contextmanager
def silent_listener(backlog: int) -> Iterator[int]:
    """A port on which nobody answers; with a backlog of 0, connections are not even made once one waits."""
    # A handshake that is cancelled leaves its transport to the collector, in asyncio and not in a client of it.
    with (
        warnings.catch_warnings(action="ignore", category=ResourceWarning),
        socket.create_server(("127.0.0.1", 0), backlog=backlog) as listener,
    ):
        yield listener.getsockname()[1]
        gc.collect()


class Announced:
    """Counts departures, and what had arrived at each."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.arrived: list[int] = []

    def __call__(self) -> None:
        time.sleep(0.05)
        self.arrived.append(self.server.requests)


@both_transports
def test_each_request_is_announced_once_before_it_arrives(transport: Transport) -> None:
    async def complete_thrice(endpoint: Endpoint, announced: Announced) -> None:
        for _ in range(3):
            with Departure(announced).expected():
                await endpoint.complete(BODY, 5.0)

    with FaultServer() as server:
        announced = Announced(server)
        asyncio.run(complete_thrice(Endpoint(server.base_url, transport=transport), announced))
        # The first over a new connection, the others over the one that was kept.
        assert announced.arrived == [0, 1, 2]
        assert server.connections == 1


@both_transports
def test_nothing_leaves_that_could_not_be_announced(transport: Transport) -> None:
    def refuse() -> None:
        raise StoreError("the disk is full")

    async def complete(endpoint: Endpoint) -> None:
        await endpoint.complete(BODY, 5.0)
        for _ in range(2):
            with Departure(refuse).expected(), pytest.raises(StoreError, match="the disk is full"):
                await endpoint.complete(BODY, 5.0)
        await endpoint.complete(BODY, 5.0)

    with FaultServer() as server:
        asyncio.run(complete(Endpoint(server.base_url, transport=transport)))
        assert server.requests == 2


@both_transports
@pytest.mark.parametrize(("scheme", "backlog"), [("http", 0), ("https", 5)], ids=["no connection", "no handshake"])
def test_what_waited_for_a_connection_in_vain_was_not_sent(transport: Transport, scheme: str, backlog: int) -> None:
    def never() -> None:
        raise AssertionError("it was announced")

    with silent_listener(backlog) as port, socket.socket() as first, socket.socket() as second:
        for waiting in (first, second)[: 2 if backlog == 0 else 0]:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        endpoint = Endpoint(f"{scheme}://127.0.0.1:{port}/v1", transport=transport)
        with Departure(never).expected(), pytest.raises(CallFailed) as failure:
            asyncio.run(endpoint.complete(BODY, 0.3))
    assert (failure.value.status, failure.value.billed, failure.value.retryable) == (Status.TIMEOUT, False, True)


def asked(number: int) -> Request:
    return Request("m", (ChatMessage("user", f"{number:02}?"),), 16)


def balance_after(model: OpenAIModel, calls: int, seconds: float) -> Balance:
    """Where the account stands when so many calls were cancelled after `seconds`."""
    store = MemoryStore()
    ledger = Ledger(store, "test")
    ledger.open("study")
    caller = MeteredCaller(Pool([model]), ledger, store)

    async def story() -> None:
        meter = Meter("study", "run", "span")
        together = asyncio.gather(*(caller.call(asked(number), meter) for number in range(calls)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(together, seconds)

    asyncio.run(story())
    rows = store.calls("run")
    assert len(rows) == calls
    assert {row.outcome for row in rows} == {Status.CANCELLED}
    return ledger.balance("study")


@both_transports
@pytest.mark.parametrize("held_back", [{"concurrency": 2}, {"requests_per_minute": 1}], ids=["slots", "pace"])
def test_of_cancelled_calls_only_those_that_were_sent_are_lost(transport: Transport, held_back: dict[str, Any]) -> None:
    with FaultServer([Behaviour.HANG] * 20) as server:
        model = OpenAIModel(ModelCard(name="m", **held_back), server.base_url, transport=transport)
        balance = balance_after(model, 12, 0.5)
        sent = server.requests
    assert sent == held_back.get("concurrency", 1)
    assert balance == Balance(lost=balance.lost, paid=balance.lost)
    assert balance.lost.tokens == sent * call_bound(model, asked(0)).tokens


@both_transports
def test_a_call_cancelled_while_it_connects_costs_nothing(transport: Transport) -> None:
    with silent_listener(5) as port:
        model = OpenAIModel(ModelCard(name="m"), f"https://127.0.0.1:{port}/v1", transport=transport)
        assert balance_after(model, 3, 0.3) == Balance()
