from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import BudgetBreach, CallFailed, CapReached
from apportion.models.card import ModelCard
from apportion.models.delta import CallPiece, Delta
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.tools import ToolCall
from apportion.records import Balance, Limit, Status, Usage
from apportion.testing.fault_server import Behaviour, FaultServer
from apportion.testing.fault_stream import Streaming
from apportion.testing.scripted import ScriptedModel

Item = Delta | Reply | BaseException
REQUEST = Request("m", (ChatMessage("user", "0123456789"),), max_output_tokens=20)
"""Bounded by 10 + 20 tokens."""


class Streamed:
    """Gives, in the n-th attempt, what the script says."""

    def __init__(self, *script: Sequence[Item], card: ModelCard | None = None) -> None:
        self.card = card or ModelCard(name="m", template_tokens=0, message_tokens=0)
        self.script = script
        self.attempts = 0
        self.closed = 0

    async def complete(self, request: Request) -> Reply:
        raise AssertionError("it is to be streamed")

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        self.attempts += 1
        try:
            for item in self.script[self.attempts - 1]:
                await asyncio.sleep(0)
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.closed += 1

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    async def aclose(self) -> None:
        return


class Desk:
    def __init__(self, model: Streamed | ScriptedModel | OpenAIModel, limit: int = 1000) -> None:
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, "test")
        self.ledger.open("study", limit=Limit("tokens", limit), measure="paid")
        self.ledger.open("task", parent="study", limit=Limit("tokens", limit))
        self.waits: list[float] = []
        self.caller = MeteredCaller(Pool([model]), self.ledger, self.store, sleep=self._sleep)
        self.meter = Meter("task", "run", "span")

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def stream(self, request: Request = REQUEST) -> AsyncGenerator[Delta | Reply, None]:
        return self.caller.stream(request, self.meter)

    async def read(self, request: Request = REQUEST) -> list[Delta | Reply]:
        return [item async for item in self.stream(request)]

    @property
    def balance(self) -> Balance:
        assert self.ledger.balance("study").lost == self.ledger.balance("task").lost
        return self.ledger.balance("task")

    @property
    def outcomes(self) -> list[Status]:
        return [row.outcome for row in self.store.calls("run")]


WHOLE = Reply("one two", "stop", Usage(10, 5))
PIECES = [Delta(text="one "), Delta(text="two"), Delta(usage=Usage(10, 5))]


def test_deltas_come_first_and_the_booked_reply_last() -> None:
    desk = Desk(Streamed([*PIECES, WHOLE]), limit=30)
    assert asyncio.run(desk.read()) == [*PIECES[:2], WHOLE]
    assert (desk.balance.charged.tokens, desk.balance.lost.tokens, desk.balance.reserved.tokens) == (15, 0, 0)
    assert desk.outcomes == [Status.OK]


def test_it_is_reserved_before_it_is_sent_on_every_account() -> None:
    model = Streamed([*PIECES, WHOLE])
    desk = Desk(model, limit=30)

    async def story() -> None:
        async with aclosing(desk.stream()) as stream:
            await anext(stream)
            assert desk.ledger.balance("study").reserved.tokens == desk.ledger.balance("task").reserved.tokens == 30
            with pytest.raises(CapReached):
                await anext(desk.stream(replace(REQUEST, sample=1, max_output_tokens=999)))

    asyncio.run(story())
    assert model.attempts == 1


def test_a_finished_stream_answers_the_unstreamed_request_and_the_other_way_round() -> None:
    model = Streamed([*PIECES, WHOLE])
    desk = Desk(model)

    async def story() -> None:
        await desk.read()
        assert await desk.caller.call(REQUEST, desk.meter) == WHOLE
        assert await desk.read() == [Delta(text="one two"), WHOLE]

    asyncio.run(story())
    assert model.attempts == 1
    assert [row.cached for row in desk.store.calls("run")] == [False, True, True]
    assert (desk.balance.charged.tokens, desk.balance.paid.tokens) == (45, 15)


def test_a_stored_reply_is_replayed_whole() -> None:
    calls = (ToolCall("look", '{"q": 1}', "c1", '{"s": 2}'),)
    reply = Reply("<think>hm</think>four", "stop", Usage(10, 5), tool_calls=calls)
    desk = Desk(Streamed([reply]))

    async def story() -> None:
        first, second = await desk.read(), await desk.read()
        assert first == second
        assert first[:-1] == [
            Delta(reasoning="hm"),
            Delta(text="four"),
            Delta(calls=(CallPiece(0, "look", '{"q": 1}', "c1", '{"s": 2}'),)),
        ]

    asyncio.run(story())


async def closed(stream: AsyncGenerator[Delta | Reply, None], read: int) -> None:
    for _ in range(read):
        await anext(stream)
    await stream.aclose()


async def cancelled(stream: AsyncGenerator[Delta | Reply, None], read: int) -> None:
    async def take() -> None:
        async with aclosing(stream):
            async for _ in stream:
                pass

    reading = asyncio.create_task(take())
    for _ in range(read + 1):
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def forgotten(stream: AsyncGenerator[Delta | Reply, None], read: int) -> None:
    for _ in range(read):
        await anext(stream)
    del stream
    gc.collect()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("read", range(5))
@pytest.mark.parametrize("leave", [closed, cancelled, forgotten])
def test_left_at_any_place_the_books_are_right_and_nothing_is_stored(
    read: int, leave: Callable[[AsyncGenerator[Delta | Reply, None], int], Awaitable[None]]
) -> None:
    model = Streamed([Delta(text="one "), Delta(text="two "), Delta(text="three "), Delta(text="four"), WHOLE])
    desk = Desk(model)

    async def story() -> None:
        await leave(desk.stream(), read)
        await asyncio.sleep(0)

    asyncio.run(story())
    begun = model.attempts
    assert begun == (leave is cancelled or read > 0)
    assert desk.balance.reserved.tokens == 0
    assert desk.balance.lost.tokens == 30 * begun
    assert desk.balance.charged.tokens == 0
    assert desk.outcomes == [Status.CANCELLED] * begun
    assert model.closed == begun
    assert desk.store._replies == {}


def test_left_once_it_is_certain_what_it_used_that_is_lost() -> None:
    hang = asyncio.Event()

    class Late(Streamed):
        async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
            for item in PIECES:
                yield item
            await hang.wait()

    desk = Desk(Late())

    async def story() -> None:
        reading = asyncio.create_task(desk.read())
        await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(story())
    assert (desk.balance.charged.tokens, desk.balance.lost.tokens) == (0, 15)


def test_it_is_tried_again_only_while_nothing_was_given_on() -> None:
    busy = CallFailed(Status.PROVIDER_ERROR, "429", billed=False, retryable=True, retry_after=7.0)
    broken = CallFailed(Status.PROVIDER_ERROR, "broken", retryable=True)
    desk = Desk(Streamed([busy], [Delta(), broken], [*PIECES, WHOLE]))
    assert asyncio.run(desk.read())[-1] == WHOLE
    assert desk.balance.lost.tokens == 30
    assert desk.waits[0] == 7.0

    model = Streamed([Delta(text="one "), broken], [*PIECES, WHOLE])
    desk = Desk(model)
    got: list[Delta | Reply] = []

    async def story() -> None:
        async for item in desk.stream():
            got.append(item)

    with pytest.raises(CallFailed, match="broken"):
        asyncio.run(story())
    assert (got, model.attempts, desk.balance.lost.tokens) == ([Delta(text="one ")], 1, 30)


def test_of_a_stream_that_failed_with_usage_that_is_lost() -> None:
    failed = CallFailed(Status.PROVIDER_ERROR, "broken", usage=Usage(10, 2))
    desk = Desk(Streamed([Delta(text="one"), failed]))
    with pytest.raises(CallFailed):
        asyncio.run(desk.read())
    assert desk.balance.lost.tokens == 12


def test_without_usage_the_bound_is_lost_and_the_reply_kept() -> None:
    desk = Desk(Streamed([Delta(text="text"), Reply("text", "stop", None)]))
    assert asyncio.run(desk.read())[-1] == Reply("text", "stop", None)
    assert (desk.balance.charged.tokens, desk.balance.lost.tokens) == (0, 30)


def test_an_endpoint_that_overspends_is_barred() -> None:
    model = Streamed([Delta(text="text"), Reply("text", "stop", Usage(10, 500))])
    desk = Desk(model)
    for request in (REQUEST, REQUEST.with_sample(1)):
        with pytest.raises(BudgetBreach):
            asyncio.run(desk.read(request))
    assert (model.attempts, desk.balance.charged.tokens, desk.store._replies) == (1, 510, {})


@pytest.mark.parametrize("script", [[], [Delta(text="one")], ["text"], [None], [ValueError("odd")]])
def test_a_model_whose_stream_has_no_reply_loses_the_reservation(script: list[Item]) -> None:
    desk = Desk(Streamed(script))
    with pytest.raises((TypeError, AttributeError, ValueError)):
        asyncio.run(desk.read())
    assert desk.balance.lost.tokens == 30
    assert desk.outcomes == [Status.PROVIDER_ERROR]


def test_a_model_that_cannot_stream_gives_its_reply_in_one_piece() -> None:
    class Whole:
        card = ModelCard(name="m", template_tokens=0, message_tokens=0)

        async def complete(self, request: Request) -> Reply:
            return WHOLE

        def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
            return None

        async def aclose(self) -> None:
            return

    desk = Desk(Whole())  # type: ignore[arg-type]
    assert asyncio.run(desk.read()) == [Delta(text="one two"), WHOLE]


def test_reasoning_between_marks_is_given_apart() -> None:
    pieces = [Delta(text=piece) for piece in ("<th", "ink>", "let me ", "see</thi", "nk>\n\n", "fo", "ur")]
    desk = Desk(Streamed([*pieces, Reply("<think>let me see</think>\n\nfour", "stop", Usage(10, 5))]))
    *deltas, reply = asyncio.run(desk.read())
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning) == ("four", "let me see")
    assert "".join(delta.reasoning for delta in deltas if isinstance(delta, Delta)) == "let me see"
    assert [delta.text for delta in deltas if isinstance(delta, Delta) and delta.text] == ["fo", "ur"]


def test_equal_streams_at_once_are_sent_once() -> None:
    model = Streamed([*PIECES, WHOLE])
    desk = Desk(model)

    async def story() -> None:
        both = await asyncio.gather(desk.read(), desk.read())
        assert [items[-1] for items in both] == [WHOLE, WHOLE]

    asyncio.run(story())
    assert model.attempts == 1


def test_a_slow_reader_holds_nobody_up_and_no_deadline_runs_for_him() -> None:
    with FaultServer(reply=lambda body: "word " * 40, bytes_per_token=1) as server:
        card = ModelCard(name="m", timeout_seconds=0.5, attempts=1, output_cap="max_tokens")
        model = OpenAIModel(card, server.base_url)
        desk = Desk(model, limit=10_000)

        async def story() -> None:
            said = ""
            async with aclosing(desk.stream(replace(REQUEST, max_output_tokens=300))) as stream:
                async for item in stream:
                    if isinstance(item, Delta):
                        said += item.text
                        await asyncio.sleep(0.02)
                    else:
                        assert item.text == said == "word " * 40
            await model.aclose()

        asyncio.run(story())
        assert desk.balance.charged.tokens == server.billed_tokens


EVENTS = 8
"""Of the stream below: role, five pieces, the end, the usage."""
BOOKS = Request("m", (ChatMessage("user", "x" * 40),), max_output_tokens=50)


async def over_http(desk: Desk, model: OpenAIModel, leave_after: int | None = None) -> list[Item]:
    """What came of one stream: its items, and the error that ended it."""
    got: list[Item] = []
    try:
        async with aclosing(desk.stream(BOOKS)) as stream:
            async for item in stream:
                got.append(item)
                if len(got) == leave_after:
                    break
    except (CallFailed, BudgetBreach) as error:
        got.append(error)
    await model.aclose()
    return got


def card_of(**fields: object) -> ModelCard:
    known = {"name": "m", "timeout_seconds": 5.0, "attempts": 1, "output_cap": "max_tokens"}
    return ModelCard.model_validate({**known, **fields})


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
@pytest.mark.parametrize("place", range(EVENTS + 1))
@pytest.mark.parametrize("fault", ["cut_at", "malformed_at", "error_at", "stall_at"])
def test_whatever_breaks_at_whichever_event_what_is_billed_is_booked(fault: str, place: int, transport: str) -> None:
    if fault == "stall_at" and transport == "httpx":
        pytest.skip("each waits for the deadline; once is enough")
    how = Streaming(**{fault: place})  # type: ignore[arg-type]
    with FaultServer(reply=lambda body: "y" * 20, streaming=how, bytes_per_token=1) as server:
        card = card_of(timeout_seconds=0.4) if fault == "stall_at" else card_of()
        model = OpenAIModel(card, server.base_url, transport=transport)  # type: ignore[arg-type]
        desk = Desk(model)
        got = asyncio.run(over_http(desk, model))
        last = got[-1]
        assert desk.balance.reserved.tokens == 0
        assert server.billed_tokens <= desk.balance.charged.tokens + desk.balance.lost.tokens
        if isinstance(last, Reply):
            assert place >= EVENTS - 1, "the end of the reply had come"
            assert last.text == "y" * 20
        else:
            assert isinstance(last, CallFailed)
            assert desk.store._replies == {}


@pytest.mark.parametrize("place", range(1, EVENTS - 1))
def test_a_client_that_leaves_at_any_event_ends_the_request(place: int) -> None:
    with FaultServer(reply=lambda body: "y" * 20, streaming=Streaming(pause=0.005), bytes_per_token=1) as server:
        model = OpenAIModel(card_of(), server.base_url)
        desk = Desk(model)
        asyncio.run(over_http(desk, model, leave_after=place))
        if place < 6:
            assert (desk.balance.charged.tokens, desk.outcomes) == (0, [Status.CANCELLED])
            assert desk.store._replies == {}
        assert desk.balance.reserved.tokens == 0
        assert server.billed_tokens <= desk.balance.charged.tokens + desk.balance.lost.tokens


@pytest.mark.parametrize(
    "how", [Streaming(done=False), Streaming(usage="early"), Streaming(usage="each"), Streaming(piece=1), Streaming()]
)
def test_however_it_is_streamed_the_usage_is_charged(how: Streaming) -> None:
    with FaultServer(reply=lambda body: "y" * 20, streaming=how, bytes_per_token=1) as server:
        model = OpenAIModel(card_of(), server.base_url)
        desk = Desk(model)
        got = asyncio.run(over_http(desk, model))
        assert isinstance(got[-1], Reply)
        assert "".join(each.text for each in got[:-1] if isinstance(each, Delta)) == got[-1].text == "y" * 20
        assert (desk.balance.charged.tokens, desk.balance.lost.tokens) == (server.billed_tokens, 0)


def test_a_stream_without_usage_is_lost_at_its_bound_and_kept() -> None:
    with FaultServer(reply=lambda body: "y" * 20, streaming=Streaming(usage="never")) as server:
        model = OpenAIModel(card_of(streaming="plain"), server.base_url)
        desk = Desk(model)
        got = asyncio.run(over_http(desk, model))
        assert isinstance(got[-1], Reply)
        assert desk.balance.charged.tokens == 0
        assert desk.balance.lost.tokens >= server.billed_tokens
        assert len(desk.store._replies) == 1
        assert "stream_options" not in server.received[0].body


def test_a_stream_that_never_ends_is_a_breach() -> None:
    with FaultServer(reply=lambda body: "y" * 20, streaming=Streaming(endless=True)) as server:
        model = OpenAIModel(card_of(), server.base_url)
        desk = Desk(model, limit=100_000)
        got = asyncio.run(over_http(desk, model))
        assert isinstance(got[-1], BudgetBreach)
        assert desk.balance.lost.tokens > 0
        assert isinstance(asyncio.run(over_http(desk, model))[-1], BudgetBreach)
        assert server.requests == 1


@pytest.mark.parametrize("behaviour", [each for each in Behaviour if each is not Behaviour.DRIP])
def test_whatever_a_provider_does_a_stream_is_booked_as_a_whole_reply_is(behaviour: Behaviour) -> None:
    booked = []
    with FaultServer([behaviour, behaviour], reply=lambda body: "y" * 20, bytes_per_token=1) as server:
        card = card_of(timeout_seconds=0.4) if behaviour is Behaviour.HANG else card_of()
        for streaming in ("none", "usage"):
            model = OpenAIModel(card.model_copy(update={"streaming": streaming}), server.base_url)
            desk = Desk(model, limit=100_000)
            asyncio.run(over_http(desk, model))
            assert desk.balance.reserved.tokens == 0
            booked.append((desk.balance.charged, desk.balance.lost, desk.outcomes))
        if behaviour is not Behaviour.TINY_USAGE:
            assert server.billed_tokens <= sum((charged + lost).tokens for charged, lost, _ in booked)
    # A stream has no message that could be null: it is empty, and whole.
    assert booked[0] == booked[1] or behaviour is Behaviour.NULL_MESSAGE


def test_calls_of_tools_come_piece_by_piece() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"query": "where"}'}}
    message = {"content": None, "reasoning_content": "hm, let me look", "tool_calls": [call, {**call, "id": "c2"}]}
    tools = json.dumps([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}])
    with FaultServer(reply=lambda body: message) as server:
        model = OpenAIModel(card_of(tools=True), server.base_url)
        desk = Desk(model, limit=10_000)
        request = Request("m", (ChatMessage("user", "hi"),), 200, tools=tools)

        async def story() -> list[Delta | Reply]:
            items = await desk.read(request)
            await model.aclose()
            return items

        *deltas, reply = asyncio.run(story())
    assert isinstance(reply, Reply)
    pieces = [piece for delta in deltas if isinstance(delta, Delta) for piece in delta.calls]
    assert len(pieces) > 4
    for index, told in enumerate(reply.tool_calls):
        mine = [piece for piece in pieces if piece.index == index]
        assert ("".join(piece.arguments for piece in mine), mine[0].name, mine[0].call_id) == (
            told.arguments,
            "look",
            f"c{index + 1}",
        )
    assert "".join(delta.reasoning for delta in deltas if isinstance(delta, Delta)) == reply.reasoning


def test_what_is_scripted_streams_too() -> None:
    desk = Desk(ScriptedModel(lambda request: "one two three", name="m"))
    *deltas, reply = asyncio.run(desk.read())
    assert [delta.text for delta in deltas if isinstance(delta, Delta)] == ["one ", "two ", "three"]
    assert isinstance(reply, Reply)
    assert reply.text == "one two three"
