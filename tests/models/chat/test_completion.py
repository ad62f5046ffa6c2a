from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from apportion.models.chat.completion import CompletionWriter
from apportion.models.delta import deltas_of
from apportion.models.replies.streams import StreamedCompletion
from apportion.models.request import Reply
from apportion.models.tools import ToolCall
from apportion.records.usage import Usage

CALLS = (ToolCall("look", '{"a": 1}', "c1", '{"s": 1}'), ToolCall("see", "{}"))
REPLIES = [
    Reply("four", "stop", Usage(7, 2)),
    Reply("four", "length", None, reasoning="hm"),
    Reply("", "stop", Usage(7, 5, 3, 4), tool_calls=CALLS),
    Reply("I will look", "stop", Usage(7, 5), tool_calls=CALLS),
    Reply("no", "refusal", Usage(7, 2)),
    Reply("par", "content_filter", Usage(7, 2)),
]


def streamed(writer: CompletionWriter, reply: Reply) -> list[dict[str, Any]]:
    return [writer.first(), *map(writer.delta, deltas_of(reply)), *writer.last(reply, {"x": 1})]


@pytest.mark.parametrize("reply", REPLIES)
def test_streamed_or_not_a_client_reads_the_same(reply: Reply) -> None:
    whole = CompletionWriter("m").whole(reply, {"x": 1})
    ChatCompletion.model_validate(whole, strict=True)
    merged = StreamedCompletion()
    for chunk in streamed(CompletionWriter("m", include_usage=True), reply):
        ChatCompletionChunk.model_validate(chunk, strict=True)
        merged.add(chunk)
    content = merged.content()
    assert content.get("usage") == whole.get("usage")
    assert content["x"] == whole["x"] == 1
    (first,), (second,) = whole["choices"], content["choices"]
    assert first["finish_reason"] == second["finish_reason"]
    for name in ("content", "reasoning_content", "refusal"):
        assert (first["message"].get(name) or "") == (second["message"].get(name) or "")
    calls = [
        [(call["function"], call["type"]) for call in each["message"].get("tool_calls", ())] for each in (first, second)
    ]
    assert calls[0] == calls[1]


def test_how_it_ended() -> None:
    ends = [CompletionWriter("m").whole(reply)["choices"][0]["finish_reason"] for reply in REPLIES]
    assert ends == ["stop", "length", "tool_calls", "tool_calls", "stop", "content_filter"]


def test_a_call_without_an_id_gets_one_and_keeps_it() -> None:
    writer = CompletionWriter("m")
    (piece,) = writer.delta(list(deltas_of(REPLIES[2]))[1])["choices"][0]["delta"]["tool_calls"]
    assert piece["id"] == writer.whole(REPLIES[2])["choices"][0]["message"]["tool_calls"][1]["id"] != ""


def test_usage_stands_in_a_stream_where_it_was_asked_for() -> None:
    with_usage = streamed(CompletionWriter("m", include_usage=True), REPLIES[0])
    assert [chunk["usage"] is None for chunk in with_usage] == [True] * (len(with_usage) - 1) + [False]
    assert not any("usage" in chunk for chunk in streamed(CompletionWriter("m"), REPLIES[0]))
    assert len({chunk["id"] for chunk in with_usage}) == 1
