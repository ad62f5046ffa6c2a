from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apportion.errors import CallFailed, UnsupportedSchema
from apportion.models.pocket import PocketModel, load_pocket_model
from apportion.models.pocket.guided_requests import call_id, guide_for, said
from apportion.models.pocket.tokenizer import encode
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.tools import ToolCall
from apportion.records.status import Status

from .schema_cases import scalars, schemas
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


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_the_answer_that_is_begun_counts(cap: int) -> None:
    model = load_pocket_model("pocket-30k")
    asked = Request("m", (ChatMessage("user", "Qkemo is in?\n"),), cap, tools=json.dumps([SEARCH]), tool_choice="none")
    reply = asyncio.run(model.complete(asked))
    assert reply.usage is not None
    assert reply.usage.output_tokens == cap
    assert reply.finish_reason == "length"


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
    taken = ChatMessage("assistant", "", (ToolCall("t", "{}", "call_1"),))
    assert call_id(Request("m", (taken, *request().messages), 9)) == "call_2"


def test_a_call_that_is_required_is_told_from_its_name() -> None:
    asked = request("S47+83=", tools=json.dumps([CALCULATOR]), tool_choice="required")
    guide = led(asked, "S47+83=")
    while not guide.take(int(guide.allowed().nonzero()[0][0]) if guide.allowed() is not None else 1):
        while guide.reading:
            guide.read()
    text, (call,) = said(asked, guide)
    assert (text, call) == ("", ToolCall("work_out", call.arguments, "call_0"))
    assert set(json.loads(call.arguments)) == {"expression"}


PROMPTS = [
    "S47+83=",
    "T47+83*02=",
    "Qkemo is in?\n",
    "C12+34*05=",
    "Vx\ny\n",
    "T" + "47+83*" * 20 + "02=",
    "S" + "x" * 250,
]


async def replied(model: PocketModel, asked: Request) -> Reply | None:
    """None where it is refused."""
    try:
        return await model.complete(asked)
    except CallFailed as failed:
        if failed.status is not Status.REFUSED:
            raise
        return None
    finally:
        await model.aclose()


@settings(max_examples=80, deadline=None)
@given(
    schemas() | scalars(),
    st.sampled_from(PROMPTS),
    st.integers(1, 255),
    st.sampled_from([0.0, 2.0]),
    st.lists(st.sampled_from(["calculator", "search", "own"]), unique=True),
    st.sampled_from(["auto", "none", "required"]),
    st.booleans(),
    st.lists(st.sampled_from(["47+83=", "130", ">kemo stays", "\n="]), max_size=4),
)
def test_whatever_is_asked_for_keeps_to_its_form_and_its_bounds(
    schema: Any, prompt: str, cap: int, heat: float, names: list[str], choice: Any, held: bool, rest: list[str]
) -> None:
    model = load_pocket_model("pocket-30k")
    own = {"type": "function", "function": {"name": "own", "parameters": schema}}
    tools = [{"calculator": CALCULATOR, "search": SEARCH, "own": own}[name] for name in names]
    asked = Request(
        "pocket-30k",
        turns(prompt, *rest),
        cap,
        temperature=heat,
        response_schema=json.dumps(schema) if held else "",
        tools=json.dumps(tools) if tools else "",
        tool_choice=choice if tools else "auto",
    )
    reply = asyncio.run(replied(model, asked))
    if reply is None:
        return
    assert reply.usage is not None
    assert reply.usage.input_tokens == model.count_tokens(asked.messages)
    assert reply.usage.output_tokens <= min(cap, model.card.context_tokens - reply.usage.input_tokens)
    for call in reply.tool_calls:
        assert choice != "none"
        (form,) = (tool["function"]["parameters"] for tool in tools if tool["function"]["name"] == call.name)
        Draft202012Validator(form).validate(json.loads(call.arguments))
    assert reply.tool_calls or not (tools and choice == "required")
    if held and not reply.tool_calls:
        Draft202012Validator(schema).validate(json.loads(reply.text))
