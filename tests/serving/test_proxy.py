from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from .proxied import HI, TOOL, raw, setting, text_of


def test_any_client_asks_whole_or_in_pieces(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "word " * 4) as proxy:
        assert [model.id for model in proxy.client().models.list()] == ["m", "large"]
        assert proxy.client().models.retrieve("large").id == "large"
        whole = proxy.ask()
        assert whole.choices[0].message.content == "word " * 4
        assert whole.usage.total_tokens == whole.x_apportion["charged"]["tokens"]
        *chunks, last = proxy.ask(stream=True, stream_options={"include_usage": True})
        assert text_of(chunks) == "word " * 4
        assert sum(1 for chunk in chunks if chunk.choices[0].delta.content) > 3
        assert (last.usage, last.x_apportion["charged"]) == (whole.usage, whole.x_apportion["charged"])
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens


def test_an_asynchronous_client(tmp_path: Path) -> None:
    async def story(base_url: str) -> None:
        async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            ask = client.chat.completions.create
            whole, stream = await asyncio.gather(
                ask(model="m", messages=HI, max_tokens=30), ask(model="m", messages=HI, max_tokens=30, stream=True)
            )
            assert whole.choices[0].message.content == "ok"
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "ok"

    with setting(tmp_path) as proxy:
        asyncio.run(story(proxy.server.base_url))


def test_tools_formats_and_efforts_reach_a_model_that_takes_them(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": "x"}'}}
    card = {"tools": True, "json_schema": True, "reasoning_efforts": ("low",)}
    schema: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    with setting(tmp_path, card=card, reply=lambda body: {"content": None, "tool_calls": [call]}) as proxy:
        fields: Any = {
            "tools": [TOOL],
            "tool_choice": "required",
            "reasoning_effort": "low",
            "top_p": 0.5,
            "max_tokens": 90,
        }
        told = proxy.ask(**fields, response_format=schema).choices[0]
        assert (told.finish_reason, told.message.tool_calls[0].function.arguments) == ("tool_calls", '{"q": "x"}')
        with proxy.client().chat.completions.stream(model="m", messages=HI, **fields) as stream:
            streamed = stream.get_final_completion().choices[0]
        assert streamed.message.tool_calls is not None
        assert streamed.message.tool_calls[0].function.arguments == '{"q": "x"}'
        assert (streamed.finish_reason, streamed.message.tool_calls[0].id) == ("tool_calls", "c1")
        body = proxy.upstream.received[0].body
        assert (body["tools"], body["tool_choice"], body["response_format"]) == ([TOOL], "required", schema)
        assert (body["reasoning_effort"], body["top_p"]) == ("low", 0.5)
        turn: Any = [
            *HI,
            told.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
        ]
        proxy.ask(messages=turn, tools=[TOOL])
        assert proxy.upstream.received[-1].body["messages"][1]["tool_calls"] == [call]


def test_reasoning_comes_in_a_field_of_its_own(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "<think>let me see</think>\n\nfour") as proxy:
        message = proxy.ask(max_tokens=90).choices[0].message
        assert (message.content, message.reasoning_content) == ("four", "let me see")
        deltas = [chunk.choices[0].delta for chunk in proxy.ask(max_tokens=90, stream=True)]
        assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == "let me see"
        assert "".join(delta.content or "" for delta in deltas) == "four"


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"model": "lagre"}, openai.NotFoundError, "model_not_found"),
        ({"n": 2}, openai.BadRequestError, "unsupported_parameter"),
        ({"tools": [TOOL]}, openai.BadRequestError, "unsupported_parameter"),
        ({"messages": []}, openai.BadRequestError, "invalid_value"),
        ({"extra_body": {"odd": 1}}, openai.BadRequestError, "unknown_parameter"),
    ],
)
def test_bad_requests_have_openais_shape(
    tmp_path: Path, fields: Any, kind: type[openai.APIStatusError], code: str
) -> None:
    with setting(tmp_path) as proxy:
        with pytest.raises(kind) as refused:
            proxy.ask(**fields)
        assert refused.value.code == code
        assert proxy.upstream.requests == 0
        if code == "model_not_found":
            assert "did you mean 'large'" in str(refused.value)


def test_hosts_paths_sizes_and_health(tmp_path: Path) -> None:
    with setting(tmp_path) as proxy:
        assert raw(proxy, "GET", "/health") == (200, {"status": "ok"})
        status, told = raw(proxy, "GET", "/v1/models", Host="evil.example")
        assert (status, told["error"]["code"]) == (403, "host_not_allowed")
        assert raw(proxy, "GET", "/v1/nothing")[0] == 404
        assert raw(proxy, "GET", "/v1/chat/completions")[0] == 405
        status, told = raw(proxy, "POST", "/v1/chat/completions", b"{")
        assert (status, told["error"]["code"]) == (400, "invalid_json")
        status, told = raw(proxy, "POST", "/v1/chat/completions", b" " * 10_000_001)
        assert (status, told["error"]["code"]) == (413, "request_too_large")
        assert proxy.upstream.requests == 0


def test_a_slow_reader_gets_all_of_it(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "word " * 200, card={"timeout_seconds": 1.0}) as proxy:
        said = ""
        for chunk in proxy.ask(stream=True, max_tokens=2_000):
            said += chunk.choices[0].delta.content or ""
            time.sleep(0.006)
        assert said == "word " * 200


def test_the_cap_of_requests_that_name_none(tmp_path: Path) -> None:
    with setting(tmp_path, proxy={"max_output_tokens": 7}) as proxy:
        proxy.client().chat.completions.create(model="m", messages=HI)
        assert proxy.upstream.received[0].body["max_tokens"] == 7


def test_responses_in_plain_text(tmp_path: Path) -> None:
    with setting(tmp_path, cap=4_000, reply=lambda body: "word " * 4) as proxy:
        client = proxy.client()
        whole: Any = client.responses.create(model="m", input="hi", instructions="be brief", max_output_tokens=30)
        assert whole.output_text == "word " * 4
        assert whole.usage.total_tokens == whole.x_apportion["charged"]["tokens"]
        with client.responses.stream(model="m", input="hi", max_output_tokens=30) as stream:
            said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            assert said == stream.get_final_response().output_text == "word " * 4
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            client.responses.create(model="m", input="hi", previous_response_id="resp_1")
        with pytest.raises(openai.APIStatusError, match="Error code: 402"):
            client.responses.create(model="m", input="hi", max_output_tokens=500_000)
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens
