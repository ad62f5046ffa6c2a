"""Requests of clients, and what servers make of them."""

from __future__ import annotations

import json

import pytest

from apportion.errors import UnsupportedSchema
from apportion.models.card import ModelCard
from apportion.models.chat.asked import read_asked
from apportion.models.chat.responses import chat_body
from apportion.models.pocket.calling import prompt_with_results
from apportion.models.pocket.schemas import ANSWER_OBJECT, terms_of
from apportion.models.pocket.serving.asked import read_body
from apportion.models.request import ChatMessage
from apportion.models.tools import ToolCall
from apportion.records.output import JsonOutput
from apportion.web.refusal import Refusal

from .hostile_texts import Parser, only_typed_errors, time_is_linear


def request(text: str) -> object:
    card = ModelCard(name="m", tools=True, json_schema=True)
    return read_asked(text.encode(errors="surrogatepass")).request(card).key("")


def response_asked(text: str) -> object:
    return read_asked(chat_body(text.encode(errors="surrogatepass")))


def body(text: str) -> object:
    return read_body(text.encode(errors="surrogatepass"))


def worked_out(text: str) -> str:
    step = ChatMessage("assistant", "47+83=", (ToolCall("f", "{}", "1"),))
    return prompt_with_results((ChatMessage("user", "T47+83="), step, ChatMessage("tool", text, tool_call_id="1")))


TREE = JsonOutput(
    {"type": "object", "properties": {"n": {"type": "number"}, "in": {"type": "array", "items": {"$ref": "#"}}}}
)
ASKED = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "response_format": {"type": "json_object"},
        "stop": ["a"],
    }
)
RESPONSE = json.dumps({"model": "m", "input": [{"role": "user", "content": "hi"}], "instructions": "be brief"})
REQUEST = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
    }
)

PARSERS = {
    "request": Parser(request, (Refusal,), (ASKED,)),
    "request for a response": Parser(response_asked, (Refusal,), (RESPONSE,)),
    "request of a client": Parser(body, (Refusal,), (REQUEST,)),
    "result of a step": Parser(worked_out, samples=("130", "-5.0")),
    "schema to hold to": Parser(terms_of, (UnsupportedSchema,), (TREE.schema, ANSWER_OBJECT)),
}


@pytest.mark.parametrize("name", PARSERS)
def test_only_typed_errors(name: str) -> None:
    only_typed_errors(PARSERS[name])


@pytest.mark.parametrize("name", PARSERS)
def test_no_time_beyond_linear(name: str) -> None:
    time_is_linear(PARSERS[name])
