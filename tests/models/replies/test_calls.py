from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.models.call_bounds import CallBounds
from apportion.models.replies.calls import read_calls
from apportion.models.replies.completion import read_reply
from apportion.models.request import Reply
from apportion.models.tools import ToolCall

ARGUMENTS = '{"query": "Rome"}'
EXTRA = {"google": {"thought_signature": "abc"}}


def message(*calls: Any, content: Any = None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def entry(arguments: Any = ARGUMENTS, **more: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "search", "arguments": arguments}, **more}


def read(said: Any, *, tools: bool = True, finish: Any = "tool_calls", usage: Any = None) -> Reply:
    body: dict[str, Any] = {"choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": usage}
    return read_reply(json.dumps(body).encode(), lambda: CallBounds(100, 50), tools=tools)


SHAPES = {
    "openai": message(entry()),
    "vllm": message(entry(id="chatcmpl-tool-9f"), reasoning_content=None),
    "vllm without id": message({"type": "function", "function": {"name": "search", "arguments": ARGUMENTS}}),
    "ollama": message({"function": {"index": 0, "name": "search", "arguments": json.loads(ARGUMENTS)}}, content=""),
    "gemini": message({**entry(id=""), "extra_content": EXTRA}),
    "llama.cpp": message(entry(id="", arguments=json.loads(ARGUMENTS)), content=None),
    "old": {"role": "assistant", "content": None, "function_call": {"name": "search", "arguments": ARGUMENTS}},
    "flat": message({"id": "c1", "name": "search", "arguments": ARGUMENTS}),
    "one object": {"role": "assistant", "content": None, "tool_calls": entry()},
    "by number": {"role": "assistant", "content": None, "tool_calls": {"0": entry()}},
    "anthropic": {"content": [{"type": "tool_use", "id": "c1", "name": "search", "input": json.loads(ARGUMENTS)}]},
    "native gemini": {"content": [{"functionCall": {"name": "search", "args": json.loads(ARGUMENTS)}}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_is_read_in_every_shape(shape: str) -> None:
    (call,) = read(SHAPES[shape]).tool_calls
    assert call.name == "search"
    assert json.loads(call.arguments) == {"query": "Rome"}
    assert json.loads(call.extra or "{}") == (EXTRA if shape == "gemini" else {})


def test_several_calls_and_a_text_are_read_together_in_order() -> None:
    reply = read(message(entry(), entry("not json", id="c2"), content="I look."))
    assert reply.text == "I look."
    assert [(call.arguments, call.call_id) for call in reply.tool_calls] == [(ARGUMENTS, "c1"), ("not json", "c2")]
    assert (reply.finish_reason, reply.note) == ("stop", "")


@pytest.mark.parametrize("finish", ["tool_calls", "stop", "function_call", "STOP", "tool_use", None])
def test_a_call_is_whole_whatever_word_ends_it(finish: Any) -> None:
    assert read(message(entry()), finish=finish).finish_reason == "stop"


def test_a_call_that_was_not_offered_is_left_out_with_a_note() -> None:
    reply = read(message(entry()), tools=False)
    assert reply.tool_calls == ()
    assert "no tool was offered" in reply.note


def test_text_and_calls_in_two_choices_are_one_reply() -> None:
    choices = [{"message": {"content": "I look."}, "finish_reason": "stop"}, {"message": message(entry())}]
    reply = read_reply(json.dumps({"choices": choices}).encode(), lambda: CallBounds(100, 50), tools=True)
    assert (reply.text, len(reply.tool_calls)) == ("I look.", 1)


def test_calls_count_as_written_text() -> None:
    long = json.dumps({"query": "x" * 1280})
    reply = read(message(entry(long)), usage={"prompt_tokens": 5, "completion_tokens": 1})
    assert reply.usage is not None
    assert reply.usage.output_tokens == 11


@pytest.mark.parametrize(
    "odd", [None, 3, "x", [], {}, [None], ["x"], [3], {"function": None}, [{"function": {}}], [{"function": "add"}]]
)
def test_what_is_no_call_breaks_nothing(odd: Any) -> None:
    found = read_calls({"content": "text", "tool_calls": odd})
    assert all(isinstance(call, ToolCall) for call in found)
    assert read_calls("text") == ()


@pytest.mark.parametrize("arguments", [None, "", {}, "{}"])
def test_no_arguments_are_an_empty_object(arguments: Any) -> None:
    (call,) = read_calls(message(entry(arguments)))
    assert call.arguments in ("", "{}")


def test_calls_that_come_as_a_stream_are_put_together_by_their_number() -> None:
    def delta(**fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": fields}]}

    events = [
        delta(role="assistant", content=None),
        delta(
            tool_calls=[{"index": 0, "id": "a", "type": "function", "function": {"name": "search", "arguments": ""}}]
        ),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"query"'}}]),
        delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "add", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ': "Rome"}'}}]),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    reply = read_reply(stream.encode(), lambda: CallBounds(100, 50), tools=True)
    assert [(c.name, c.arguments, c.call_id) for c in reply.tool_calls] == [
        ("search", ARGUMENTS, "a"),
        ("add", "{}", "b"),
    ]


def test_calls_of_a_stream_without_numbers_are_told_apart_by_their_ids() -> None:
    events = [{"choices": [{"delta": {"tool_calls": [{**entry(), "id": name}]}}]} for name in "ab"]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    reply = read_reply(stream.encode(), lambda: CallBounds(100, 50), tools=True)
    assert [(c.arguments, c.call_id) for c in reply.tool_calls] == [(ARGUMENTS, "a"), (ARGUMENTS, "b")]
