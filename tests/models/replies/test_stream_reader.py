from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from apportion.errors import CallFailed
from apportion.models.call_bounds import CallBounds
from apportion.models.delta import CallPiece, Delta
from apportion.models.replies.completion import read_reply
from apportion.models.replies.stream_reader import StreamReader
from apportion.models.request import Reply
from apportion.records.status import Status
from apportion.records.usage import Usage

USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}


def piece(finish: str | None = None, index: int = 0, **delta: object) -> dict[str, object]:
    return {"id": "c1", "model": "m-1", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def lines(*events: object, done: bool = True) -> bytes:
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return f": keep-alive\n\n{data}{'data: [DONE]' if done else ''}\n\n".encode()


def bounds() -> CallBounds:
    return CallBounds(100, 50)


async def body_of(chunks: Sequence[bytes], failure: Exception | None) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk
    if failure is not None:
        raise failure


def read(*chunks: bytes, tools: bool = False, failure: Exception | None = None) -> tuple[list[Delta], Reply]:
    async def story() -> tuple[list[Delta], Reply]:
        reader = StreamReader(bounds, tools=tools)
        deltas = [delta async for delta in reader.read(body_of(chunks, failure))]
        return [delta for delta in deltas if delta != Delta()], reader.reply()

    return asyncio.run(story())


def test_deltas_and_the_reply() -> None:
    deltas, reply = read(
        lines(piece(role="assistant", content=""), piece(content="fo"), piece(content="ur"), piece("stop"), USAGE)
    )
    assert deltas == [Delta(text="fo"), Delta(text="ur"), Delta(usage=Usage(7, 2))]
    assert reply == Reply("four", "stop", Usage(7, 2), response_id="c1", response_model="m-1")


@settings(max_examples=100, deadline=None)
@given(some.lists(some.sampled_from(["a", "é", "\u2028", "🙂", "\n", '"', "data: x"]), max_size=8), some.data())
def test_wherever_the_bytes_are_cut(words: list[str], data: some.DataObject) -> None:
    body = lines(*(piece(content=word) for word in words), piece("stop"), USAGE).replace(
        b"\n\n", data.draw(some.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]))
    )
    cuts = sorted(data.draw(some.lists(some.integers(0, len(body)), max_size=6)))
    chunks = [body[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    if not words:
        return
    deltas, reply = read(*chunks)
    assert "".join(delta.text for delta in deltas) == "".join(words) == reply.text


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_in_a_field_of_its_own(name: str) -> None:
    deltas, reply = read(
        lines(
            {**piece(), "choices": [{"delta": {name: "h"}}]},
            {**piece(), "choices": [{"delta": {name: "m"}}]},
            piece(content="4"),
            piece("stop"),
        )
    )
    assert deltas == [Delta(reasoning="h"), Delta(reasoning="m"), Delta(text="4")]
    assert (reply.reasoning, reply.text) == ("hm", "4")


def test_a_refusal() -> None:
    deltas, reply = read(lines(piece(refusal="I "), piece(refusal="can't"), piece("stop")))
    assert deltas == [Delta(refusal="I "), Delta(refusal="can't")]
    assert (reply.text, reply.finish_reason) == ("I can't", "refusal")


def test_calls_of_tools() -> None:
    begun = [{"index": 3, "id": "c", "type": "function", "function": {"name": "look", "arguments": ""}}]
    more = [[{"index": 3, "function": {"arguments": text}}] for text in ('{"a"', ":1}")]
    other = [{"index": 4, "id": "d", "function": {"name": "see", "arguments": {"b": 2}}, "extra_content": {"s": 1}}]
    deltas, reply = read(
        lines(*(piece(tool_calls=calls) for calls in (begun, *more, other)), piece("tool_calls")), tools=True
    )
    assert [delta.calls for delta in deltas] == [
        (CallPiece(0, "look", "", "c"),),
        (CallPiece(0, arguments='{"a"'),),
        (CallPiece(0, arguments=":1}"),),
        (CallPiece(1, "see", '{"b": 2}', "d", '{"s": 1}'),),
    ]
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("look", '{"a":1}'), ("see", '{"b": 2}')]


def test_calls_that_nobody_offered_are_left_out() -> None:
    call = [{"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}}]
    deltas, reply = read(lines(piece(content="4"), piece(tool_calls=call), piece("stop")))
    assert (deltas, reply.tool_calls) == ([Delta(text="4")], ())


def test_of_several_choices_the_first_with_a_text_counts_and_calls_of_any() -> None:
    call = [{"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}}]
    events = (
        piece(content=""),
        piece(content="a", index=1),
        piece(content="b", index=2),
        piece(tool_calls=call, index=2),
    )
    deltas, reply = read(lines(*events, piece("stop", index=1)), tools=True)
    assert (reply.text, len(reply.tool_calls)) == ("a", 1)
    assert [delta.text for delta in deltas if delta.text] == ["a"]


def test_halves_of_a_character_that_come_apart() -> None:
    halves = [b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % half for half in (b"\\ud83d", b"\\ude42")]
    deltas, reply = read(*halves, lines(piece("stop")))
    assert ([delta.text for delta in deltas], reply.text) == (["🙂"], "🙂")


@pytest.mark.parametrize(
    "body",
    [
        lines(piece(content="4"), done=False),
        lines(done=False),
        b"",
        b"hello\n\n",
        b"data: {\n\n",
        b"data: 1\n\n",
        lines(piece("error", content="4")),
        lines(piece(content="4"), {"error": {"code": 500, "message": "away"}}),
        b'event: error\ndata: {"message": "away"}\n\n',
        lines(piece(content="4"), done=False) + b'{"error": {"message": "away"}}\n',
        lines(),
    ],
)
def test_what_is_no_reply(body: bytes) -> None:
    with pytest.raises(CallFailed):
        read(body)


def test_an_error_before_anything_was_written_is_that_error() -> None:
    with pytest.raises(CallFailed, match="slow down") as failure:
        read(lines({"error": {"code": 429, "message": "slow down"}}))
    assert (failure.value.billed, failure.value.retryable) == (False, True)


def test_a_connection_that_fails_behind_the_end_does_no_harm() -> None:
    failure = CallFailed(Status.PROVIDER_ERROR, "reset", retryable=True)
    assert read(lines(piece(content="4"), piece("stop"), USAGE, done=False), failure=failure)[1].usage == Usage(7, 2)
    with pytest.raises(CallFailed, match="reset"):
        read(lines(piece(content="4"), done=False), failure=failure)


@pytest.mark.parametrize(
    "body", [{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}, {"error": {"message": "away"}}]
)
def test_a_body_that_is_no_stream_is_read_whole(body: object) -> None:
    raw = json.dumps(body).encode()
    try:
        assert read(raw[:9], raw[9:]) == ([], read_reply(raw, bounds))
    except CallFailed as failure:
        with pytest.raises(CallFailed, match=str(failure.reason)[:20]):
            read_reply(raw, bounds)


def test_what_is_written_beyond_all_bounds_is_cut_off() -> None:
    with pytest.raises(CallFailed, match="beyond its output cap") as failure:
        read(lines(*(piece(reasoning="y" * 1000) for _ in range(20))))
    assert failure.value.usage is not None
    assert failure.value.usage.output_tokens > 50


def test_usage_counts_once_the_reply_has_ended() -> None:
    each = [{**piece(content="4"), "usage": {"prompt_tokens": 7, "completion_tokens": 1}}]
    deltas, reply = read(lines(*each, {**piece("stop"), "usage": USAGE["usage"]}))
    assert [delta.usage for delta in deltas] == [None, Usage(7, 2)]
    assert reply.usage == Usage(7, 2)


def test_data_over_several_lines_and_events_of_no_interest() -> None:
    body = b'id: 1\nretry: 5\ndata: {"choices": [{"delta":\ndata: {"content": "4"}}]}\n\ndata: null\n\n' + lines(
        piece("stop")
    )
    assert read(body)[1].text == "4"
