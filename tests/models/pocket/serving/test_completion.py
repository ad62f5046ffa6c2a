"""Replies held to a schema, and calls, over HTTP: whole and in pieces."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import OpenAI

NAME = "pocket-100k"
INTEGER = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": INTEGER}}
FINAL = {"type": "function", "function": {"name": "final", "parameters": INTEGER}}
TEXT = {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}
CALCULATOR = {"type": "function", "function": {"name": "work_out", "parameters": TEXT}}
ASKED: Any = [{"role": "system", "content": "Think step by step."}, {"role": "user", "content": "What is 47+83*02?"}]


def create(client: OpenAI, messages: Any = ASKED, **fields: Any) -> Any:
    return client.chat.completions.create(model=NAME, messages=messages, **{"temperature": 0, "seed": 1} | fields)


def joined(chunks: Any) -> dict[str, Any]:
    """What the pieces of a stream make together."""
    whole: dict[str, Any] = {"content": "", "reasoning_content": "", "calls": {}, "finish_reason": None}
    for chunk in chunks:
        for choice in chunk.choices:
            delta = choice.delta.model_dump(exclude_none=True)
            for name in ("content", "reasoning_content"):
                whole[name] += delta.get(name, "")
            for call in delta.get("tool_calls", ()):
                known = whole["calls"].setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                known["id"] += call.get("id", "")
                known["name"] += call["function"].get("name", "")
                known["arguments"] += call["function"].get("arguments", "")
            whole["finish_reason"] = choice.finish_reason or whole["finish_reason"]
    return whole


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": FORM},
        {"response_format": {"type": "json_object"}},
        {"tools": [FINAL], "tool_choice": "required"},
        {"tools": [CALCULATOR, FINAL], "tool_choice": {"type": "function", "function": {"name": "final"}}},
        {"tools": [CALCULATOR]},
        {"tools": [CALCULATOR], "response_format": FORM},
        {"tools": [CALCULATOR, FINAL], "tool_choice": "required"},
        {"tools": [FINAL]},
        {"tools": [CALCULATOR], "tool_choice": "none", "response_format": FORM},
    ],
    ids=str,
)
def test_a_stream_says_what_the_whole_says(client: OpenAI, fields: dict[str, Any]) -> None:
    choice = create(client, **fields).choices[0]
    message = choice.message
    streamed = joined(create(client, **fields, stream=True))

    assert streamed["content"] == (message.content or "")
    assert streamed["reasoning_content"] == getattr(message, "reasoning_content", "")
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
    assert [tuple(call.values()) for call in streamed["calls"].values()] == calls
    assert streamed["finish_reason"] == choice.finish_reason == ("tool_calls" if calls else "stop")


def test_any_object_is_one_with_the_answer(client: OpenAI) -> None:
    message = create(client, response_format={"type": "json_object"}).choices[0].message
    assert json.loads(message.content) == {"answer": message.reasoning_content.rpartition("=")[2]}


def test_samples_are_those_of_their_seeds(client: OpenAI) -> None:
    several = create(client, response_format=FORM, n=4, temperature=1, seed=7)
    alone = [create(client, response_format=FORM, temperature=1, seed=7 + index) for index in range(4)]
    assert [choice.message.content for choice in several.choices] == [one.choices[0].message.content for one in alone]
    assert several.usage.completion_tokens == sum(one.usage.completion_tokens for one in alone)
    assert several.usage.completion_tokens_details.reasoning_tokens > 0


def test_logprobs_are_of_the_answer(client: OpenAI) -> None:
    choice = create(client, response_format=FORM, logprobs=True, top_logprobs=2).choices[0]
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    forced = [token for token in choice.logprobs.content if token.token and token.token in '{"answr:}']
    assert {token.logprob for token in forced} == {0.0}
    assert all(len(token.top_logprobs) in (0, 2) for token in choice.logprobs.content)


def test_a_loop_with_a_calculator(client: OpenAI) -> None:
    messages, asked = list(ASKED), []
    while True:
        message = create(client, messages, tools=[CALCULATOR]).choices[0].message
        if not message.tool_calls:
            break
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            asked.append(json.loads(call.function.arguments)["expression"])
            messages.append(
                {"role": "tool", "tool_call_id": call.id, "content": {"47+83": "130", "30*2": "60"}[asked[-1]]}
            )
    assert asked == ["47+83", "30*2"]
    assert message.content == "47+83=30*02=60"


def test_json_that_cannot_fit_is_refused_and_takes_no_place(client: OpenAI) -> None:
    for _ in range(3):
        with pytest.raises(openai.BadRequestError, match="raise the output cap") as caught:
            create(client, response_format=FORM, max_tokens=5, n=128)
        assert caught.value.param == "max_completion_tokens"
    assert create(client, response_format=FORM, max_tokens=13).choices[0].finish_reason == "stop"


def test_no_call_of_a_conversation_has_the_id_of_another(client: OpenAI) -> None:
    ids, messages = [], list(ASKED)
    for question in ("What is 12+34?", "What is 56+78?"):
        reply = create(client, messages, tools=[CALCULATOR]).choices[0].message
        ids.append(reply.tool_calls[0].id)
        result = {"role": "tool", "tool_call_id": ids[-1], "content": "30"}
        messages += [reply, result, {"role": "user", "content": question}]
    assert len(set(ids)) == len(ids)
    anew = create(client, [ASKED[0], messages[-1]]).choices[0].message
    assert create(client, messages).choices[0].message.content == anew.content
