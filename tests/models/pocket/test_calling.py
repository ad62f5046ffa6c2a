from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.models.pocket.calling import asked, begun_reply, offered
from apportion.models.request import ChatMessage
from apportion.models.tools import ToolCall


def tool(name: str, *required: str, kind: str = "string", **others: Any) -> dict[str, Any]:
    properties = {field: {"type": kind} for field in required} | others
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


CALCULATOR, SEARCH = tool("work_out", "expression"), tool("find", "query", limit={"type": "integer"})


def turns(*texts: str) -> tuple[ChatMessage, ...]:
    """A question, then calls and results in turn."""
    question, *rest = texts
    call = ToolCall("t", "{}", "1")
    spoken = (
        ChatMessage("tool", text, tool_call_id="1") if place % 2 else ChatMessage("assistant", text, (call,))
        for place, text in enumerate(rest)
    )
    return (ChatMessage("user", question), *spoken)


def test_a_tool_that_needs_one_text_of_a_known_name_is_called() -> None:
    found = offered(json.dumps([tool("other", "city"), SEARCH, CALCULATOR, tool("again", "query")]))
    assert (found.calculator, found.search) == (("work_out", "expression"), ("find", "query"))
    assert [name for name, _ in found.others] == ["other", "again"]
    assert found.callable


@pytest.mark.parametrize(
    "given",
    [
        tool("f", "expression", "query"),
        tool("f", "expression", kind="integer"),
        tool("f"),
        {"function": {"name": "f"}},
        {"function": {"name": "f", "parameters": {"required": ["query"], "properties": {}}}},
        {"function": {"name": "f", "parameters": {"required": "query", "properties": {"query": {"type": "string"}}}}},
        {"function": {"name": "f", "parameters": {"required": [3], "properties": {"query": {"type": "string"}}}}},
    ],
)
def test_other_tools_are_not(given: dict[str, Any]) -> None:
    found = offered(json.dumps([given]))
    assert not found.callable
    assert len(found.others) == 1
    assert not offered("").callable


def test_a_step_is_a_call_where_its_result_begins() -> None:
    found = offered(json.dumps([CALCULATOR]))
    assert found.step_in("47+83=30*02=") == ToolCall("work_out", '{"expression":"30*2"}')
    assert found.step_in("00-05=") == ToolCall("work_out", '{"expression":"0-5"}')
    for trace in ("", "47+83", "47+83=3", "a=", "30*02=6=", "7+83="):
        assert found.step_in(trace) is None
    assert found.query_in(">kemo stays") is None


def test_a_query_is_a_call_where_it_is_whole() -> None:
    found = offered(json.dumps([SEARCH]))
    assert found.query_in(">kemo stays") == ToolCall("find", '{"query":"kemo stays"}')
    assert [found.query_in(reply) for reply in ("=58", ">", "", "> ")] == [None] * 4
    assert found.step_in("47+83=") is None


def test_results_stand_behind_their_steps_as_the_models_write_numbers() -> None:
    done = turns("T47+83*02-99=", "47+83=", "130", "*02=", " 60.0\n", "-99=", "-39")
    assert asked(done) == "T47+83*02-99=47+83=30*02=60-99=61"
    assert begun_reply(done) == "47+83=30*02=60-99=61"


@pytest.mark.parametrize(
    "result", ["Error: no", "", "1e9", "12.5", "two", "T1+1=", "9" * 40, "30*02=60", "\u0663", "1\n2"]
)
def test_a_result_that_is_no_integer_is_left_out(result: str) -> None:
    assert asked(turns("T47+83=", "47+83=", result)) == "T47+83=47+83="


def test_results_of_other_calls_are_not_read() -> None:
    history = turns("T47+83=", "", "1 validation error for Answer", "", "30")
    assert asked(history) == "T47+83="


def test_the_rounds_of_a_search_are_on_lines() -> None:
    done = turns("QWhich room is kemo in?\n", ">kemo stays", "kemo stays with\nrali.")
    assert asked(done) == "QWhich room is kemo in?\n>kemo stays\nkemo stays with rali.\n"
    assert begun_reply(done) == ""


def test_the_last_user_message_and_what_is_begun_behind_it() -> None:
    messages = (ChatMessage("user", "S1="), ChatMessage("assistant", "no"), ChatMessage("user", "T47+83="))
    assert asked(messages) == "T47+83="
    assert asked((*messages, ChatMessage("assistant", "47+"))) == "T47+83=47+"
    assert asked((ChatMessage("system", "x"),)) == ""
    assert begun_reply(()) == ""
