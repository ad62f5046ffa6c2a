from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

import pytest

from apportion.errors import CallFailed, OtherModel
from apportion.models.card import ModelCard
from apportion.models.delta import Delta
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.testing.fault_server import Answer, FaultServer
from apportion.testing.fault_stream import Streaming

REQUEST = Request("m", (ChatMessage("user", "hello"),), max_output_tokens=50)
Transport = Literal["aiohttp", "httpx"]


def card(**fields: object) -> ModelCard:
    return ModelCard.model_validate({"name": "m", "output_cap": "max_tokens", "timeout_seconds": 5.0, **fields})


def read(model: OpenAIModel, *requests: Request) -> Sequence[list[Delta | Reply]]:
    async def story() -> list[list[Delta | Reply]]:
        try:
            return [[item async for item in model.stream(request)] for request in requests or (REQUEST,)]
        finally:
            await model.aclose()

    return asyncio.run(story())


def test_what_is_sent() -> None:
    with FaultServer() as server:
        for streaming in ("usage", "plain", "none"):
            ((*deltas, reply),) = read(OpenAIModel(card(streaming=streaming), server.base_url))
            assert isinstance(reply, Reply)
            assert reply.text == "ok"
            assert bool(deltas) == (streaming != "none")
        usage, plain, none = (received.body for received in server.received)
    assert (usage["stream"], usage["stream_options"]) == (True, {"include_usage": True})
    assert plain == {name: value for name, value in usage.items() if name != "stream_options"}
    assert none == {name: value for name, value in plain.items() if name != "stream"}


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_it_comes_while_it_is_written(transport: Transport) -> None:
    with FaultServer(reply=lambda body: "y" * 20, streaming=Streaming(stall_at=3)) as server:
        model = OpenAIModel(card(), server.base_url, transport=transport)

        async def story() -> str:
            said = ""
            async with aclosing(model.stream(REQUEST)) as stream:
                async for item in stream:
                    assert isinstance(item, Delta)
                    said += item.text
                    if said == "yyyyyyyy":  # the server sends no more until this is read
                        break
            await model.aclose()
            return said

        assert asyncio.run(story()) == "yyyyyyyy"


def test_another_model_gives_nothing_on() -> None:
    with (
        FaultServer(answers_as="a") as first,
        FaultServer(answers_as="a") as second,
        FaultServer(answers_as="b") as odd,
    ):
        model = OpenAIModel(card(concurrency=1), [first.base_url, second.base_url, odd.base_url])
        read(model, *(REQUEST.with_sample(sample) for sample in range(2)))
        given: list[object] = []

        async def story() -> None:
            async for item in model.stream(REQUEST):
                given.append(item)

        with pytest.raises(OtherModel) as fault:
            asyncio.run(story())
        assert (given, fault.value.at_once) == ([], True)


def test_an_ejected_replica_is_asked_no_more() -> None:
    with FaultServer(streaming=Streaming(cut_at=1)) as broken, FaultServer() as fine:
        model = OpenAIModel(card(), [broken.base_url, fine.base_url])
        with pytest.raises(CallFailed) as failure:
            read(model)
        assert failure.value.at_once
        read(model, REQUEST, REQUEST.with_sample(1))
        assert (broken.requests, fine.requests) == (1, 2)


def test_a_key_that_a_server_repeats_is_not_given_on() -> None:
    with FaultServer(reply=lambda body: "the key is sk-0123456789abcdef", streaming=Streaming(piece=99)) as server:
        model = OpenAIModel.on(card(), Endpoint(server.base_url, api_key="sk-0123456789abcdef"))
        ((*deltas, reply),) = read(model)
    assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == "the key is [key]"
    assert isinstance(reply, Reply)
    assert reply.text == "the key is [key]"


@pytest.mark.parametrize(("field", "mends"), [("stream_options", '"plain"'), ("stream", '"none"')])
def test_an_endpoint_that_refuses_it_says_which_field_of_the_card_mends_that(field: str, mends: str) -> None:
    refusal = Answer({"error": {"message": f"Unknown parameter: '{field}'.", "param": field}}, 400)
    with (
        FaultServer(answer=lambda body: refusal) as server,
        pytest.raises(CallFailed, match=f"streaming = {mends}") as failure,
    ):
        read(OpenAIModel(card(), server.base_url))
    assert not failure.value.billed


def test_a_place_is_given_back_when_a_stream_is_left() -> None:
    with FaultServer(reply=lambda body: "y" * 20, streaming=Streaming(stall_at=3)) as server:
        model = OpenAIModel(card(concurrency=1), server.base_url)

        async def story() -> None:
            for _ in range(3):
                async with aclosing(model.stream(REQUEST)) as stream:
                    await anext(stream)
            await model.aclose()

        asyncio.run(story())
        assert server.requests == 3


def test_what_cannot_be_sent_is_not_billed() -> None:
    with FaultServer() as server:
        for request, fields in (
            (REQUEST, {"output_cap": "ignored"}),
            (Request("m", REQUEST.messages, 5, tools="[]1"), {}),
        ):
            with pytest.raises(CallFailed) as failure:
                read(OpenAIModel(card(**fields), server.base_url), request)
            assert not failure.value.billed
        assert server.requests == 0


def test_further_fields_of_the_caller_are_sent_but_none_that_the_ledger_relies_on() -> None:
    with FaultServer() as server:
        model = OpenAIModel(card(), server.base_url)
        read(model, Request("m", REQUEST.messages, 5, further='{"top_p":0.5}'))
        assert server.received[0].body["top_p"] == 0.5
        with pytest.raises(CallFailed, match="'n'") as failure:
            read(model, Request("m", REQUEST.messages, 5, further='{"n":5}'))
        assert not failure.value.billed


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_a_connection_serves_one_stream_after_another(transport: Transport) -> None:
    with FaultServer(reply=lambda body: "y" * 40) as server:
        model = OpenAIModel(card(), server.base_url, transport=transport)
        read(model, *(REQUEST.with_sample(sample) for sample in range(5)))
        assert (server.requests, server.connections) == (5, 1)
