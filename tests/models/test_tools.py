from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.call_bounds import call_bounds
from apportion.models.card import ModelCard
from apportion.models.request import ChatMessage, Request
from apportion.models.tools import CALL_TOKENS, ToolCall, call_size, calls_as_sent, calls_from, tools_size
from apportion.records.text import longest_bytes
from apportion.testing.scripted import ScriptedModel

TOOLS = json.dumps([{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_the_size_of_a_call_covers_its_json_however_it_is_spaced(value: dict[str, Any]) -> None:
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    again = json.dumps(value, ensure_ascii=False)
    escaped = again.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    size = call_size(ToolCall("add", written)) - CALL_TOKENS - len("add")
    assert size >= max(map(longest_bytes, (written, again, escaped)))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_the_size_of_tools_covers_their_json_however_it_is_written(value: dict[str, Any]) -> None:
    told = json.dumps([value], ensure_ascii=False)
    for indent in (None, 2, 4):
        for ascii_only in (True, False):
            assert tools_size(told) >= longest_bytes(json.dumps([value], indent=indent, ensure_ascii=ascii_only))
    assert tools_size("") == 0


def test_tools_and_the_calls_of_earlier_turns_are_a_part_of_the_bound() -> None:
    model = ScriptedModel(lambda request: "x", card=ModelCard(name="m", tools=True, tools_tokens=100))
    plain = Request("m", (ChatMessage("user", "a"), ChatMessage("assistant", "")), 16)
    call = ToolCall("add", '{"a":1}', "c")
    called = Request("m", (ChatMessage("user", "a"), ChatMessage("assistant", "", (call,))), 16, tools=TOOLS)
    more = call_bounds(model, called).input_tokens - call_bounds(model, plain).input_tokens
    assert more == 100 + tools_size(TOOLS) + call_size(call)


def test_calls_are_sent_as_chat_completions_have_them() -> None:
    plain, signed = ToolCall("add", "{}", "1"), ToolCall("add", "{}", "2", '{"google":{"thought_signature":"s"}}')
    one, two = calls_as_sent([plain, signed])
    assert one == {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    assert two["extra_content"] == {"google": {"thought_signature": "s"}}


@pytest.mark.parametrize("damaged", [3, [3], ["add"], [["add", 3]], [["a", "b", "c", "d", "e"]]])
def test_damaged_calls_are_refused(damaged: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        calls_from(damaged)
