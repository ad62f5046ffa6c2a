from __future__ import annotations

import json

import pytest

from apportion.errors import CallFailed, UnsupportedSchema
from apportion.models.pocket.leading import call_id, guide_for, said
from apportion.models.pocket.tokenizer import encode
from apportion.models.request import ChatMessage, Request
from apportion.models.tools import ToolCall

from .test_calling import CALCULATOR, SEARCH, turns

INTEGER = '{"type":"object","properties":{"answer":{"type":"integer"}}}'


def request(prompt: str = "T47+83=", **fields: object) -> Request:
    return Request("m", (ChatMessage("user", prompt),), 255, **fields)  # type: ignore[arg-type]


def led(asked: Request, prompt: str = "T47+83=", cap: int = 255):  # type: ignore[no-untyped-def]
    return guide_for(asked, prompt, encode(prompt), cap)


def test_a_plain_request_is_free() -> None:
    assert led(request()) is None
    assert led(request(tool_choice="none")) is None


def test_those_who_think_do_so_before_the_json() -> None:
    held = request(response_schema=INTEGER)
    assert led(held, "T1=").allowed() is None
    assert led(held, "C1=").allowed() is None
    assert led(held, "S1=").allowed() is not None


def test_a_search_that_must_end_begins_with_its_answer() -> None:
    tools = json.dumps([SEARCH])
    assert list(led(request(response_schema=INTEGER), "Qx\n").reading) == encode("=")
    assert list(led(request(tools=tools, tool_choice="none"), "Qx\n").reading) == encode("=")
    assert not led(request(tools=tools), "Qx\n").reading
    assert not led(request(tools=tools, response_schema=INTEGER), "Qx\n").reading
    assert not led(request(response_schema=INTEGER), "Qx\n=").reading
    assert led(request(tools=tools, tool_choice="none"), "Qx\n").text == "="


def test_what_cannot_be_led_is_refused() -> None:
    with pytest.raises(CallFailed, match="leave out `stop`"):
        led(request(tools=json.dumps([CALCULATOR]), stop=("x",)))
    with pytest.raises(CallFailed, match="takes 13 tokens, and the reply may have 12"):
        led(request(response_schema=INTEGER), cap=12)
    with pytest.raises(UnsupportedSchema):
        led(request(response_schema="[]"))


def test_a_call_has_an_id_of_its_own() -> None:
    assert call_id(request()) == "call_0"
    assert call_id(Request("m", turns("T1=", "a", "b", "c", "d"), 9)) == "call_2"


def test_a_call_that_is_required_is_told_from_its_name() -> None:
    asked = request("S47+83=", tools=json.dumps([CALCULATOR]), tool_choice="required")
    guide = led(asked, "S47+83=")
    while not guide.take(int(guide.allowed().nonzero()[0][0]) if guide.allowed() is not None else 1):
        while guide.reading:
            guide.read()
    text, (call,) = said(asked, guide)
    assert (text, call) == ("", ToolCall("work_out", call.arguments, "call_0"))
    assert set(json.loads(call.arguments)) == {"expression"}
