"""Streams of an endpoint over HTTP: what is billed is booked, wherever they break or are left."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from apportion.errors import BudgetBreach, CallFailed
from apportion.models.card import ModelCard
from apportion.models.delta import Delta
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records import Status
from apportion.testing.fault_server import Behaviour, FaultServer
from apportion.testing.fault_stream import Streaming

from .streamed import REQUEST, Desk, Item


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
