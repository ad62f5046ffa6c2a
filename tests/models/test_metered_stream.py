from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from apportion.errors import BudgetBreach, CallFailed, CapReached
from apportion.models.card import ModelCard
from apportion.models.delta import CallPiece, Delta
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.tools import ToolCall
from apportion.records import Status, Usage
from apportion.testing.scripted import ScriptedModel

from .streamed import PIECES, REQUEST, WHOLE, Desk, Item, Streamed


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


def test_what_is_scripted_streams_too() -> None:
    desk = Desk(ScriptedModel(lambda request: "one two three", name="m"))
    *deltas, reply = asyncio.run(desk.read())
    assert [delta.text for delta in deltas if isinstance(delta, Delta)] == ["one ", "two ", "three"]
    assert isinstance(reply, Reply)
    assert reply.text == "one two three"
