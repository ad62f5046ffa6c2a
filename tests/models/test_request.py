from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.tools import ToolCall
from apportion.records import Usage

REQUEST = Request(
    model="m",
    messages=(
        ChatMessage("system", "be brief"),
        ChatMessage("user", "12*3?"),
        ChatMessage("assistant", "", (ToolCall("add", '{"a": 1}', "1", "{}"),)),
        ChatMessage("tool", "1", tool_call_id="1"),
    ),
    max_output_tokens=64,
    temperature=0.5,
    seed=7,
    sample=2,
    stop=("\n", "END"),
    logprobs=True,
    effort_fields='{"reasoning_effort":"low"}',
    response_schema='{"type":"object"}',
    tools="[]",
)
CALL = ToolCall("add", "{}")
IN_THE_KEY = [field.name for field in fields(Request) if field.name != "model"]
"""All of them. A model stands in the key by its fingerprint, so that a new name for it still finds its replies."""


def others(value: Any) -> Iterator[Any]:
    """Values that differ from one, also in their parts and their order."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, str):
        yield value + "x"
    elif isinstance(value, tuple):
        yield (*value, *(value[:1] or (CALL,)))
        yield from (value[:-1], value[::-1]) if len(value) > 1 else ()
        for place, part in enumerate(value):
            yield from ((*value[:place], other, *value[place + 1 :]) for other in others(part))
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from (replace(value, **{field.name: other}) for other in others(getattr(value, field.name)))
    else:
        raise AssertionError(f"say here how a {type(value).__name__} can differ")


@pytest.mark.parametrize("name", IN_THE_KEY)
def test_requests_that_differ_in_one_field_have_different_keys(name: str) -> None:
    made = [REQUEST, *(replace(REQUEST, **{name: other}) for other in others(getattr(REQUEST, name)))]
    assert len({request.key("fingerprint") for request in made}) == len(made) > 1


def test_the_key_has_the_model_by_its_fingerprint() -> None:
    renamed = replace(REQUEST, model="another name")
    assert renamed.key("fingerprint") == REQUEST.key("fingerprint")
    assert REQUEST.key("fingerprint") != REQUEST.key("another fingerprint")


def test_one_address_for_all_output_caps_has_all_but_the_cap() -> None:
    wider = replace(REQUEST, max_output_tokens=999)
    assert wider.key("fingerprint", rung=0) == REQUEST.key("fingerprint", rung=0)
    addresses = {REQUEST.key("fingerprint"), *(REQUEST.key("fingerprint", rung=rung) for rung in range(3))}
    assert len(addresses) == 4
    for name in IN_THE_KEY:
        for other in others(getattr(REQUEST, name)):
            differs = replace(REQUEST, **{name: other}).key("fingerprint", rung=0) != REQUEST.key("fingerprint", rung=0)
            assert differs == (name != "max_output_tokens"), name


@pytest.mark.parametrize("usage", [None, Usage(10, 5, 2, 3, True)])
def test_a_reply_comes_back_from_json_whole(usage: Usage | None) -> None:
    reply = Reply(
        'te"xt\n',
        "length",
        usage,
        mean_logprob=-0.5,
        first_token_entropy=0.25,
        reasoning="because",
        response_model="m-2026",
        response_id="id",
        pieces=("te", "xt", ""),
        logprobs=(-0.1, -0.2, -0.3),
    )
    assert Reply.from_json(reply.to_json()) == reply
    assert Reply.from_json(Reply("", "stop", usage).to_json()) == Reply("", "stop", usage)


PLAIN = Request(
    model="m",
    messages=(ChatMessage("system", "be brief"), ChatMessage("user", "12*3?")),
    max_output_tokens=64,
    temperature=0.5,
    seed=7,
    sample=2,
    source="node",
    stop=("\n", "END"),
    logprobs=True,
    effort_fields='{"a":1}',
    response_schema='{"type":"object"}',
    prefix="Answer:",
)


def test_requests_without_tools_keep_their_keys_so_that_stored_replies_are_found() -> None:
    assert PLAIN.key("fingerprint") == "50195fcd43c709157b42ce3addc3fe74c21f3b485bc2baf83b836765b300134f"
    assert PLAIN.key("fingerprint", rung=1) == "399ef8947563c070e7713952f64375b5d61a11acc5b1aa5bdd3150988ad476ba"
    small = Request("m", (ChatMessage("user", "x"),), 16)
    assert small.key("f") == "30b1bc52d4a77ace8e83b4c89096b38912939b97d84169df4e9d6dea8520b181"
    assert replace(small, tool_choice="none").key("f") == small.key("f")


def test_a_stored_reply_keeps_its_calls() -> None:
    called = (ToolCall("add", '{"a": 1}', "id-1", '{"google": {"thought_signature": "x"}}'), ToolCall("", "{"))
    reply = Reply("so", "stop", Usage(10, 5), tool_calls=called)
    assert Reply.from_json(reply.to_json()) == reply
    assert reply.said == 'soadd{"a": 1}{'
    assert "tool_calls" not in Reply("so", "stop", None).to_json()
