from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.models.pocket.serving.asked import Asked, read_body
from apportion.models.request import ChatMessage
from apportion.web.refusal import Refusal

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


IMAGE = {"role": "user", "content": [{"type": "image_url"}]}
NO_TEXT = {"role": "user", "content": [{"type": "text"}]}
RESULT = {"role": "tool", "content": "hi", "tool_call_id": "other"}
CALL = {"role": "assistant", "content": "hi", "tool_calls": [{}]}


def read(**fields: Any) -> Asked:
    return read_body(json.dumps(HELLO | fields).encode())


def refusal(**fields: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(**fields)
    assert caught.value.status == 400
    return caught.value


def test_what_is_left_out_has_openais_defaults() -> None:
    asked = read(n=None, temperature=None, stop=None)

    assert asked == read()
    assert asked.messages == (ChatMessage("user", "hi"),)
    assert (asked.n, asked.temperature, asked.top_p, asked.seed, asked.stop) == (1, 1.0, 1.0, None, ())
    assert (asked.max_tokens, asked.top_logprobs, asked.stream, asked.include_usage) == (None, None, False, False)


def test_fields_are_read() -> None:
    asked = read(
        n=2, temperature=0, top_p=0.5, seed=-3, stop="x", max_tokens=4, logprobs=True, stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
    )  # fmt: skip

    assert (asked.n, asked.temperature, asked.top_p, asked.seed, asked.stop) == (2, 0.0, 0.5, -3, ("x",))
    assert (asked.max_tokens, asked.top_logprobs, asked.stream, asked.include_usage) == (4, 0, True, True)
    assert read(max_completion_tokens=5).max_tokens == 5
    assert read(logprobs=True, top_logprobs=7).top_logprobs == 7
    assert read(stop=["a", "b"]).stop == ("a", "b")


def test_messages_of_every_speaker() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [],
        "audio": None,
        "annotations": [],
    }
    asked = read(
        messages=[{"role": "developer", "content": "d"}, answer, {"role": "user", "content": parts, "name": "n"}]
    )

    assert asked.messages == (
        ChatMessage("system", "d"),
        ChatMessage("assistant", ""),
        ChatMessage("user", "one\ntwo"),
    )


def test_fields_without_effect_are_accepted() -> None:
    harmless = {"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "flex", "prompt_cache_key": "k"}
    silent = {
        "tools": [],
        "response_format": {"type": "text"},
        "frequency_penalty": 0.0,
        "audio": None,
        "verbosity": None,
    }

    assert read(**harmless, **silent, modalities=["text"], tool_choice="none", logit_bias={}) == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("functions", [{"name": "f"}]),
        ("audio", {"voice": "x", "format": "wav"}),
        ("modalities", ["text", "audio"]),
        ("reasoning_effort", "low"),
        ("frequency_penalty", 0.1),
        ("logit_bias", {"5": 1}),
        ("web_search_options", {}),
    ],
)
def test_what_is_not_served_is_refused_by_name(name: str, value: object) -> None:
    found = refusal(**{name: value})

    assert (found.param, found.code) == (name, "unsupported_parameter")
    assert name in found.message


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"top_k": 5}, "top_k", "unknown_parameter"),
        ({"top_k": None}, "top_k", "unknown_parameter"),
        ({"model": 3}, "model", "invalid_value"),
        ({"model": None}, "model", "invalid_value"),
        ({"messages": "hi"}, "messages", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "function", "content": "hi"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [HELLO["messages"][0], RESULT]}, "messages[1].tool_call_id", "invalid_value"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_value"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user"}]}, "messages[1].content", "invalid_value"),
        ({"messages": [{"role": "user", "content": "hi", "extra": 1}]}, "messages[0].extra", "unknown_parameter"),
        ({"messages": [IMAGE]}, "messages[0].content[0].type", "invalid_value"),
        ({"messages": [NO_TEXT]}, "messages[0].content[0].text", "missing_required_parameter"),
        ({"messages": [CALL]}, "messages[0].tool_calls[0].id", "missing_required_parameter"),
        ({"messages": [{"role": "system", "content": "hi"}]}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 129}, "n", "invalid_value"),
        ({"n": "2"}, "n", "invalid_value"),
        ({"n": True}, "n", "invalid_value"),
        ({"temperature": -0.1}, "temperature", "invalid_value"),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"top_p": 1.1}, "top_p", "invalid_value"),
        ({"seed": 2**63}, "seed", "invalid_value"),
        ({"seed": 1.5}, "seed", "invalid_value"),
        ({"stop": ""}, "stop", "invalid_value"),
        ({"stop": ["a", ""]}, "stop[1]", "invalid_value"),
        ({"stop": list("abcde")}, "stop", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", "invalid_value"),
        ({"logprobs": 5}, "logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x", "unknown_parameter"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(fields: dict[str, Any], param: str, code: str) -> None:
    found = refusal(**fields)

    assert (found.param, found.code) == (param, code)
    assert f"'{param}'" in found.message


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    content = {name: value for name, value in HELLO.items() if name != missing}
    with pytest.raises(Refusal, match=f"Missing required parameter: '{missing}'"):
        read_body(json.dumps(content).encode())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 200_000, b'{"model": "\\ud800"}', b'{"temperature": NaN}']
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_body(body)

    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
