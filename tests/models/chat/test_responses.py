from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from apportion.models.card import ModelCard
from apportion.models.chat.asked import read_asked
from apportion.models.chat.completion import CompletionWriter, Json
from apportion.models.chat.responses import chat_body, response_events, response_of
from apportion.models.delta import deltas_of
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records.usage import Usage
from apportion.web.refusal import Refusal

CARD = ModelCard(name="m", max_output_tokens=100, reasoning_efforts=("low",))
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def body(**fields: Any) -> bytes:
    return chat_body(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def request(**fields: Any) -> Request:
    return read_asked(body(**fields)).request(CARD)


def test_a_text_is_a_message_of_the_user() -> None:
    assert request() == Request("m", (ChatMessage("user", "hi"),), 100, temperature=1.0)


def test_a_conversation_with_instructions() -> None:
    answer = {"type": "output_text", "text": "ho", "annotations": [], "logprobs": []}
    made = request(
        instructions="be brief",
        input=[
            {"role": "developer", "content": "in English"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [answer]},
            {"role": "user", "content": "well?"},
        ],
    )
    assert [(message.role, message.content) for message in made.messages] == [
        ("system", "be brief"),
        ("system", "in English"),
        ("user", "hi"),
        ("assistant", "ho"),
        ("user", "well?"),
    ]


def test_fields_that_a_completion_has_too() -> None:
    made = request(
        max_output_tokens=7, temperature=0, top_p=0.5, reasoning={"effort": "low"}, text={"verbosity": "low"}
    )
    assert (made.max_output_tokens, made.temperature) == (7, 0)
    assert json.loads(made.further) == {"top_p": 0.5, "verbosity": "low"}
    assert made.effort_fields == '{"reasoning_effort":"low"}'
    assert read_asked(body(stream=True, metadata={"question": "q"}, store=True)).include_usage
    assert read_asked(body(metadata={"question": "q"})).metadata == {"question": "q"}
    assert request(text={"format": {"type": "text"}}, tools=[], truncation="disabled", include=["x"]) == request()


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "web_search"}]},
        {"text": {"format": {"type": "json_schema"}}},
        {"previous_response_id": "resp_1"},
        {"conversation": "c"},
        {"background": True},
        {"truncation": "auto"},
        {"input": []},
        {"input": None},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
        {"max_output_tokens": 0},
        {"odd": 1},
    ],
)
def test_what_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        request(**fields)
    assert refused.value.status == 400
    assert refused.value.param is not None
    assert next(iter(fields)) in refused.value.param


REPLIES = [
    Reply("four five", "stop", Usage(7, 2)),
    Reply("four", "length", None, reasoning="hm"),
    Reply("no", "refusal", Usage(7, 2, 1, 3)),
    Reply("", "content_filter", Usage(7, 2)),
]


async def chunks_of(reply: Reply, pieces: Iterable[Json]) -> AsyncGenerator[Json, None]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("reply", REPLIES)
def test_streamed_or_not_a_client_reads_the_same(reply: Reply) -> None:
    writer = CompletionWriter("m", include_usage=True)
    whole = response_of(writer.whole(reply, {"x_apportion": {"run_id": "r"}}))
    pieces = [
        writer.first(),
        *map(writer.delta, deltas_of(reply)),
        *writer.last(reply, {"x_apportion": {"run_id": "r"}}),
    ]

    async def read() -> list[Json]:
        return [event async for event in response_events(chunks_of(reply, pieces))]

    events = asyncio.run(read())
    for event in events:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == whole
    parsed = Response.model_validate(whole)
    assert parsed.output_text == ("" if reply.finish_reason == "refusal" else reply.text)
    assert "".join(event["delta"] for event in events if event["type"].endswith(".delta")) == reply.text
    if reply.usage is not None:
        assert parsed.usage is not None
        assert parsed.usage.total_tokens == reply.usage.total_tokens
        assert parsed.usage.output_tokens_details.reasoning_tokens == reply.usage.reasoning_tokens


def test_how_it_ended() -> None:
    ends = [response_of(CompletionWriter("m").whole(reply)) for reply in REPLIES]
    assert [end["status"] for end in ends] == ["completed", "incomplete", "completed", "incomplete"]
    assert [end["incomplete_details"] for end in ends][1::2] == [
        {"reason": "max_output_tokens"},
        {"reason": "content_filter"},
    ]


def test_a_stream_that_nobody_reads_to_its_beginning_says_nothing() -> None:
    async def read() -> list[Json]:
        return [event async for event in response_events(chunks_of(REPLIES[0], []))]

    assert asyncio.run(read()) == []
