from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from apportion.models.card import ModelCard
from apportion.models.chat.asked import Asked, fresh, read_asked
from apportion.models.chat.fields import NOT_SERVED, Body
from apportion.models.request import ChatMessage, Request
from apportion.models.tools import ToolCall
from apportion.web.refusal import Refusal, error_body

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CARD = ModelCard(name="m", tools=True, json_schema=True, max_output_tokens=100, reasoning_efforts=("low", "high"))
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def read(**fields: Any) -> Asked:
    return read_asked(json.dumps(HELLO | fields).encode())


def request(card: ModelCard = CARD, **fields: Any) -> Request:
    return read(**fields).request(card)


def refused(card: ModelCard = CARD, **fields: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        request(card, **fields)
    assert caught.value.status == 400
    return caught.value


def test_the_least() -> None:
    asked = read()
    assert asked.request(CARD) == Request("m", (ChatMessage("user", "hi"),), 100, temperature=1.0)
    assert (asked.stream, asked.include_usage, asked.draws) == (False, False, True)


def test_messages_of_all_roles() -> None:
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL | {"extra_content": {"s": 1}}], "refusal": None},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "reasoning_content": "hm"},
    ]
    assert request(messages=messages).messages == (
        ChatMessage("system", "be brief"),
        ChatMessage("user", "a\nb"),
        ChatMessage("assistant", "", (ToolCall("look", "{}", "c", '{"s": 1}'),)),
        ChatMessage("tool", "found", (), "c"),
        ChatMessage("assistant", "no"),
    )


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user"}, "messages[0].content"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "messages[0].content[0].type",
        ),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "user", "content": "x", "tool_call_id": "c"}, "messages[0].tool_call_id"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "messages[0].tool_calls"),
        ({"role": "function", "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": "x", "odd": 1}, "messages[0].odd"),
    ],
)
def test_messages_at_fault(message: dict[str, Any], param: str) -> None:
    assert refused(messages=[message]).param == param


def test_caps() -> None:
    assert request(max_tokens=7).max_output_tokens == 7
    assert request(max_completion_tokens=700).max_output_tokens == 100
    assert read().request(CARD, max_output_tokens=9).max_output_tokens == 9
    assert read(max_tokens=50).request(CARD, max_output_tokens=9).max_output_tokens == 50
    assert refused(max_tokens=5, max_completion_tokens=5).param == "max_tokens"
    assert refused(max_tokens=0).param == "max_tokens"


def test_seeds_reach_the_endpoint_as_they_are() -> None:
    for seed in (0, 5, 65_537, 2**31 - 1):
        made = request(seed=seed)
        assert made.seed * 65_537 + made.sample == seed
    assert not read(seed=1).draws
    assert not read(temperature=0).draws
    assert fresh(request()) != fresh(request())


def test_tools() -> None:
    made = request(tools=[TOOL], tool_choice="none", parallel_tool_calls=False)
    assert (json.loads(made.tools), made.tool_choice) == ([TOOL], "none")
    assert json.loads(made.further) == {"parallel_tool_calls": False}
    named = {"type": "function", "function": {"name": "look"}}
    assert json.loads(request(tools=[TOOL], tool_choice=named).further) == {"tool_choice": named}
    assert request(tools=[TOOL], tool_choice="required").tool_choice == "required"
    assert request(tools=[], tool_choice="auto").further == request(parallel_tool_calls=True).further == ""
    assert refused(tool_choice="required").param == "tool_choice"
    assert refused(ModelCard(name="m"), tools=[TOOL]).param == "tools"
    assert refused(tools=[{"type": "web_search"}]).code == "invalid_value"


def test_formats() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    made = request(response_format=schema)
    assert json.loads(made.response_schema) == {"type": "object"}
    assert json.loads(made.further) == {"response_format": schema}
    assert json.loads(request(response_format={"type": "json_object"}).further) == {
        "response_format": {"type": "json_object"}
    }
    assert request(response_format={"type": "text"}).further == ""
    assert refused(ModelCard(name="m"), response_format=schema).param == "response_format"


def test_schemas_keep_their_order_and_their_nulls() -> None:
    schema = {"type": "object", "properties": {"thought": {"default": None}, "answer": {}}, "x": [None]}
    formatted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": None}}
    function = {"name": "look", "strict": None, "parameters": schema}
    made = request(response_format=formatted, tools=[{"type": "function", "function": function}])
    for text in (made.response_schema, made.further, made.tools):
        assert text.index("thought") < text.index("answer")
        assert '"default":null' in text
        assert '"strict"' not in text


def test_efforts_are_those_of_the_card() -> None:
    assert request(reasoning_effort="low").effort_fields == '{"reasoning_effort":"low"}'
    assert "did you mean 'high'" in refused(reasoning_effort="hgh").message
    assert refused(ModelCard(name="m"), reasoning_effort="low").code == "unsupported_parameter"
    told = ModelCard.model_validate({"name": "m", "efforts": {"off": {"prompt": "/no_think", "max_output_tokens": 9}}})
    made = request(told, reasoning_effort="off", messages=[{"role": "system", "content": "s"}, *HELLO["messages"]])
    assert [message.content for message in made.messages] == ["s", "/no_think", "hi"]
    assert made.max_output_tokens == 9


def test_what_is_passed_on_and_what_has_no_effect() -> None:
    made = request(
        top_p=0.5, presence_penalty=1, logit_bias={"5": -100}, user="u", metadata={"a": "b"}, store=True, n=1
    )
    assert json.loads(made.further) == {"top_p": 0.5, "presence_penalty": 1, "logit_bias": {"5": -100}}
    assert read(metadata={"a": "b"}).metadata == {"a": "b"}
    assert request(top_p=None, stop=None, tools=None, n=None, logprobs=False).further == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"n": 2}, "unsupported_parameter"),
        ({"logprobs": True}, "unsupported_parameter"),
        ({"modalities": ["audio"]}, "unsupported_parameter"),
        ({"prediction": {}}, "unsupported_parameter"),
        ({"service_tier": "priority"}, "unsupported_parameter"),
        ({"best_of": 4}, "unknown_parameter"),
        ({"temperature": 3}, "invalid_value"),
        ({"stream_options": {}}, "invalid_value"),
        ({"messages": []}, "invalid_value"),
        ({"model": ""}, "invalid_value"),
        ({"model": None}, "invalid_value"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "invalid_value"),
        ({"verbosity": "loud"}, "invalid_value"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], code: str) -> None:
    assert refused(**fields).code == code


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b"\xff", b'{"model": NaN}'])
def test_what_is_no_json_object(content: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_asked(content)
    assert caught.value.code == "invalid_json"


def test_a_missing_field() -> None:
    with pytest.raises(Refusal, match="'messages'"):
        read_asked(b'{"model": "m"}')


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = sorted(Body.model_fields) + sorted(NOT_SERVED) + ["metadata", "odd"]


@given(some.dictionaries(some.sampled_from(PLACES), JSON, max_size=4), JSON)
def test_whatever_is_sent_it_is_a_request_or_a_refusal(fields: dict[str, Any], content: object) -> None:
    for body in (HELLO | fields, HELLO | {"messages": [{"role": "user", "content": content}]}, content):
        try:
            made = read_asked(json.dumps(body).encode()).request(CARD)
            made.key("")
            json.dumps([message.content for message in made.messages]).encode()
        except Refusal as refusal:
            json.dumps(error_body(refusal)).encode()


@pytest.mark.parametrize("depth", [200, 100_000])
def test_json_of_any_depth(depth: int) -> None:
    for inner in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        body = f'{{"model": "m", "messages": [{{"role": "user", "content": "hi"}}], "logit_bias": {inner}}}'
        tool = f'{{"type": "function", "function": {{"name": "f", "parameters": {inner}}}}}'
        with_tool = f'{{"model": "m", "messages": [{{"role": "user", "content": "hi"}}], "tools": [{tool}]}}'
        for each in (body, with_tool, inner):
            try:
                read_asked(each.encode()).request(CARD)
            except Refusal:
                continue
