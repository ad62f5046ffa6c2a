from __future__ import annotations

import json

import pytest

from apportion.errors import CallFailed
from apportion.models.call_bounds import CallBounds
from apportion.models.replies.completion import read_reply
from apportion.models.replies.streams import merged_stream
from apportion.models.request import Reply
from apportion.records.usage import Usage


def stream(*events: object, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([": keep-alive\n\n", "event: message\n", *lines, "data: [DONE]\n\n" if done else ""]).encode()


def piece(finish: str | None = None, **delta: object) -> dict[str, object]:
    return {"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def read(body: bytes) -> Reply:
    return read_reply(body, lambda: CallBounds(100, 50))


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}


def test_a_stream_that_nobody_asked_for_is_a_reply() -> None:
    pieces = piece(role="assistant", content=""), piece(reasoning_content="h"), piece(reasoning_content="m")
    reply = read(stream(*pieces, piece(content="fo"), piece(content="ur"), piece("stop"), USAGE))
    assert reply == Reply("four", "stop", Usage(7, 2), reasoning="hm", response_id="c1", response_model="m-1")


def test_parts_in_a_stream_grow() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], [{"type": "text", "text": "four"}]
    reply = read(stream(*(piece(content=part) for part in parts), piece("stop")))
    assert (reply.text, reply.reasoning) == ("four", "hm")


def test_a_whole_completion_in_one_event() -> None:
    completion = {"choices": [{"message": {"content": "four"}, "finish_reason": "stop"}], "usage": USAGE["usage"]}
    assert read(stream(completion)) == Reply("four", "stop", Usage(7, 2))


def test_older_completions() -> None:
    assert (
        read(stream({"choices": [{"text": "fo"}]}, {"choices": [{"text": "ur", "finish_reason": "stop"}]})).text
        == "four"
    )


def test_an_error_in_a_stream_is_that_error() -> None:
    with pytest.raises(CallFailed, match="429: slow down") as failure:
        read(stream({"error": {"code": 429, "message": "slow down"}}))
    assert (failure.value.billed, failure.value.retryable) == (False, True)


def test_an_error_after_a_part_of_the_text_was_billed() -> None:
    with pytest.raises(CallFailed, match="slow down") as failure:
        read(stream(piece(content="fo"), {"error": {"code": 429, "message": "slow down"}}, done=False))
    assert failure.value.billed


@pytest.mark.parametrize(
    "body",
    [
        stream(piece(content="fo"), done=False),
        b'data: {"choices": [{"delta": {"content": "fo"}',
        b"data: [DONE]\n\n",
        b"hello: world",
        b"data:",
    ],
)
def test_a_stream_that_broke_off_is_no_reply(body: bytes) -> None:
    with pytest.raises(CallFailed):
        read(body)


def test_what_is_no_object_is_passed_over() -> None:
    assert read(stream(None, 3, piece(content="four"), piece("stop"))).text == "four"
    assert merged_stream("plain text") is None
