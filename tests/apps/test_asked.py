from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.apps.asked import Asked, asked_from
from apportion.models.pocket.serving.refusal import Refusal
from apportion.models.request import ChatMessage
from apportion.models.tools import ToolCall

HELLO = {"role": "user", "content": "hello"}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
SUB = {"type": "function", "function": {"name": "sub"}}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "worker", "messages": [HELLO], **fields}


def test_what_the_plan_decides_is_not_read() -> None:
    asked = asked_from(body(seed=3, reasoning_effort="high", user="me", stream=True, stream_options={}, store=False))
    assert asked == Asked((ChatMessage("user", "hello"),))


def test_settings_are_read() -> None:
    asked = asked_from(body(max_tokens=9, max_completion_tokens=7, temperature=0, stop="x", n=2, top_p=1))
    assert (asked.max_output_tokens, asked.temperature, asked.stop, asked.choices) == (7, 0.0, ("x",), 2)


def test_a_conversation_with_tools_is_read() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    asked = asked_from(
        body(
            messages=[
                {"role": "developer", "content": [{"type": "text", "text": "be"}, {"type": "text", "text": "brief"}]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": "3", "tool_call_id": "c1"},
            ],
            tools=[ADD, SUB],
        )
    )
    assert asked.messages == (
        ChatMessage("system", "be\nbrief"),
        ChatMessage("assistant", "", (ToolCall("add", "{}", "c1"),)),
        ChatMessage("tool", "3", tool_call_id="c1"),
    )
    assert json.loads(asked.tools) == [ADD, SUB]
    assert asked.tool_choice == "auto"


def test_a_tool_that_must_be_called_is_the_only_one_that_is_told() -> None:
    asked = asked_from(body(tools=[ADD, SUB], tool_choice={"type": "function", "function": {"name": "sub"}}))
    assert (json.loads(asked.tools), asked.tool_choice) == ([SUB], "required")


def test_formats_become_schemas() -> None:
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert json.loads(asked_from(body(response_format=form)).response_schema) == schema
    assert json.loads(asked_from(body(response_format={"type": "json_object"})).response_schema) == {"type": "object"}
    assert asked_from(body(response_format={"type": "text"})).response_schema == ""


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [None]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": 3}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0]"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 17}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": 3}, "stop"),
        ({"top_p": 0.5}, "top_p"),
        ({"logprobs": True}, "logprobs"),
        ({"tools": "add"}, "tools"),
        ({"tools": [{"type": "custom"}]}, "tools[0]"),
        ({"tools": [ADD], "tool_choice": "often"}, "tool_choice"),
        ({"tools": [ADD], "tool_choice": {"function": {"name": "sub"}}}, "tool_choice"),
        ({"tools": [ADD], "tool_choice": {"function": 3}}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": 3}, "response_format"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_what_is_not_served_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as refused:
        asked_from(body(**fields))
    assert (refused.value.status, refused.value.param) == (400, param)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
NAMES = ("messages", "tools", "tool_choice", "response_format", "stop", "n", "temperature", "max_tokens", "logit_bias")


@given(JSON | st.dictionaries(st.sampled_from(NAMES), JSON), st.dictionaries(st.sampled_from(NAMES[1:]), JSON))
def test_whatever_is_sent_is_read_or_refused(anything: Any, fields: dict[str, Any]) -> None:
    for sent in (anything, body(**fields)):
        try:
            assert isinstance(asked_from(sent), Asked)
        except Refusal as refusal:
            assert refusal.status == 400
