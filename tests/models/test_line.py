from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.models.card import ModelCard
from apportion.models.departure import Departure, leave
from apportion.models.endpoint import Endpoint
from apportion.models.line import Line
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.replicas import Replicas
from apportion.models.request import ChatMessage, Request
from apportion.records import Limit, Status
from apportion.testing.fault_server import Behaviour, FaultServer


def dead() -> str:
    """The URL of an endpoint at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def request(number: int = 0) -> Request:
    return Request("m", (ChatMessage("user", f"Say {number}."),), max_output_tokens=16)


class Books:
    """A caller of one model, with its ledger."""

    def __init__(self, urls: Sequence[str], **card: Any) -> None:
        self.model = OpenAIModel(ModelCard(**{"name": "m", **card}), urls)
        store = MemoryStore()
        self.ledger = Ledger(store, "test")
        self.ledger.open("study", limit=Limit("tokens", 10**6), measure="paid")
        self.caller = MeteredCaller(Pool([self.model]), self.ledger, store)
        self.meter = Meter("study", "run", "span")

    def ask(self, calls: int) -> list[Any]:
        async def all_of_them() -> list[Any]:
            try:
                asked = (self.caller.call(request(number), self.meter) for number in range(calls))
                return await asyncio.gather(*asked, return_exceptions=True)
            finally:
                await self.model.aclose()

        return asyncio.run(all_of_them())

    @property
    def booked(self) -> int:
        balance = self.ledger.balance("study")
        assert balance.reserved.tokens == 0
        return balance.charged.tokens + balance.lost.tokens


def test_replicas_share_the_calls() -> None:
    with FaultServer(latency=0.05) as one, FaultServer(latency=0.05) as other:
        books = Books([one.base_url, other.base_url], concurrency=4)
        assert all(reply.text == "ok" for reply in books.ask(40))
        assert one.requests + other.requests == 40
        assert min(one.requests, other.requests) >= 10
        assert max(one.most_open, other.most_open) <= 4
        assert books.booked == one.billed_tokens + other.billed_tokens


def test_no_call_fails_while_one_replica_is_there_and_each_attempt_has_its_own_reservation() -> None:
    with FaultServer() as good, FaultServer([Behaviour.SERVER_ERROR] * 50) as bad:
        books = Books([dead(), bad.base_url, good.base_url], concurrency=4)
        assert all(reply.text == "ok" for reply in books.ask(30))
        rows = [row for row, _ in books.meter.booked]
        assert len({row.reservation_id for row in rows}) == len(rows) > 30
        assert sum(row.outcome is Status.OK for row in rows) == 30
        assert good.billed_tokens + bad.billed_tokens <= books.booked


def test_a_key_that_one_replica_refuses_does_not_stop_the_call() -> None:
    with FaultServer(api_key="another") as refusing, FaultServer() as good:
        books = Books([refusing.base_url, good.base_url])
        assert all(reply.text == "ok" for reply in books.ask(10))


def test_a_request_that_is_refused_is_not_sent_elsewhere() -> None:
    with FaultServer([Behaviour.BAD_REQUEST]) as one, FaultServer([Behaviour.BAD_REQUEST]) as other:
        books = Books([one.base_url, other.base_url])
        (failure,) = books.ask(1)
        assert failure.status is Status.PROVIDER_ERROR
        assert one.requests + other.requests == 1


def test_one_that_comes_back_is_probed_and_then_asked_again() -> None:
    with FaultServer([Behaviour.CLOSE]) as shaky, FaultServer() as good:
        books = Books([shaky.base_url, good.base_url], concurrency=1)

        async def ask() -> None:
            for number in range(400):
                await books.caller.call(request(number), books.meter)
                if shaky.requests > 2:
                    break
                await asyncio.sleep(0.02)
            await books.model.aclose()

        asyncio.run(ask())
        assert shaky.requests > 2
        assert books.model.replicas.states == ("admitted", "admitted")


def test_another_model_behind_a_replica_is_a_fault_of_its_own_in_the_trace() -> None:
    with (
        FaultServer(answers_as="large") as one,
        FaultServer(answers_as="large") as two,
        FaultServer(answers_as="small", latency=0.2) as other,
    ):
        books = Books([one.base_url, two.base_url, other.base_url], served_as="large", concurrency=2)
        replies = books.ask(20)
        assert {reply.response_model for reply in replies} == {"large"}
        faults = [row for row, _ in books.meter.booked if row.outcome is not Status.OK]
        assert faults
        for row in faults:
            assert row.error.startswith(
                f"field 'base_urls': {other.base_url} answers as 'small', the others as 'large'"
            )
            assert row.lost.tokens > 0
            assert row.usage is not None
        assert books.model.replicas.states == ("admitted", "admitted", "other")
        assert other.requests <= 2
        assert books.booked == one.billed_tokens + two.billed_tokens + other.billed_tokens


def test_a_cancelled_call_gives_its_place_back() -> None:
    with FaultServer([Behaviour.HANG] * 4) as one:
        model = OpenAIModel.on(ModelCard(name="m", concurrency=2), [Endpoint(one.base_url) for _ in range(2)])

        async def ask() -> str:
            calls = [asyncio.create_task(model.complete(request(number))) for number in range(8)]
            await asyncio.to_thread(one.wait_for, 4)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            replies = await asyncio.gather(*(model.complete(request(number)) for number in range(4)))
            await model.aclose()
            return "".join(reply.text for reply in replies)

        assert asyncio.run(ask()) == "okokokok"
        assert model.replicas.states == ("admitted", "admitted")


def test_calls_are_served_in_the_order_in_which_they_came() -> None:
    async def order() -> list[int]:
        replicas = Replicas(ModelCard(name="m"), [Endpoint("http://localhost:1/v1")])
        line, served = Line(replicas, 1), list[int]()

        async def call(number: int) -> None:
            replica, _ = await line.take(0)
            served.append(number)
            await asyncio.sleep(0)
            line.give(replica)

        await asyncio.gather(*(call(number) for number in range(20)))
        return served

    assert asyncio.run(order()) == list(range(20))


def test_a_probe_in_progress_ends_with_the_model_and_may_be_made_again() -> None:
    class Silent(Endpoint):
        async def is_alive(self, seconds: float) -> bool:
            await asyncio.sleep(3600)
            return True

    async def close() -> None:
        replicas = Replicas(ModelCard(name="m"), [Silent("http://localhost:1/v1"), Silent("http://localhost:2/v1")])
        line, now = Line(replicas, 1), asyncio.get_running_loop().time()
        first, _ = await line.take(0)
        first.state, first.back_at = "ejected", now
        await line.take(0)
        await asyncio.sleep(0)
        assert first.probing
        await line.aclose()
        assert not first.probing
        assert first.state == "ejected"

    asyncio.run(close())


@pytest.mark.parametrize("seed", [1, 2])
def test_with_most_replicas_down_the_caps_of_each_hold(seed: int) -> None:
    with ExitStack() as stack:
        good = [stack.enter_context(FaultServer(latency=0.01)) for _ in range(2)]
        urls = [dead(), good[0].base_url, dead(), good[1].base_url]
        books = Books(urls if seed == 1 else urls[::-1], concurrency=3, attempts=4)
        assert all(reply.text == "ok" for reply in books.ask(60))
        assert max(server.most_open for server in good) <= 3
        assert books.booked == sum(server.billed_tokens for server in good)


def test_a_probe_is_not_taken_for_the_call_that_began_it() -> None:
    class Leaving(Endpoint):
        async def is_alive(self, seconds: float) -> bool:
            leave()
            return True

    async def take() -> list[str]:
        replicas = Replicas(ModelCard(name="m"), [Leaving("http://localhost:1/v1"), Leaving("http://localhost:2/v1")])
        line, announced = Line(replicas, 1), list[str]()
        first, _ = await line.take(0)
        first.state, first.back_at = "ejected", 0.0
        with Departure(lambda: announced.append("left")).expected():
            await line.take(0)
            await asyncio.sleep(0.01)
        assert replicas.states[0] == "trial"
        return announced

    assert asyncio.run(take()) == []
