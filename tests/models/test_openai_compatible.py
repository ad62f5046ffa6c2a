from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apportion.errors import CallFailed, PoolError
from apportion.models.base import Model
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.tools import ToolCall
from apportion.records.status import Status
from apportion.testing.fault_server import FaultServer
from apportion.testing.model import ModelConformance

SCHEMA = '{"type":"object","properties":{"answer":{"type":"integer"}}}'
FULL = Request(
    "m",
    (ChatMessage("system", "Be brief."), ChatMessage("user", "2+2?")),
    max_output_tokens=16,
    temperature=0.7,
    seed=3,
    sample=2,
    stop=("\n",),
    logprobs=True,
    response_schema=SCHEMA,
)


def sent(request: Request, **card: Any) -> dict[str, Any]:
    """The body that arrives at the server."""
    with FaultServer() as server:
        model = OpenAIModel(ModelCard(name="m", **card), server.base_url)
        asyncio.run(model.complete(request))
        (received,) = server.received
    return dict(received.body)


class TestConformance(ModelConformance):
    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        # One token a byte is the worst that a byte-level tokenizer can do.
        with FaultServer(reply=lambda body: "It is ok. " * 10, bytes_per_token=1) as self.server:
            yield

    def make_model(self) -> Model:
        return OpenAIModel(ModelCard(name="m", logprobs=True), self.server.base_url)


def test_only_what_the_card_admits_is_sent() -> None:
    body = sent(FULL, temperature=False, seed=False, output_cap="max_tokens")
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}],
        "max_tokens": 16,
        "stop": ["\n"],
    }


def test_everything_that_a_card_can_admit() -> None:
    request = replace(FULL, effort_fields='{"reasoning_effort":"low","thinking":{"budget_tokens":9}}')
    body = sent(request, served_as="org/m", logprobs=True, json_schema=True)
    assert body["model"] == "org/m"
    assert body["max_completion_tokens"] == 16
    assert "max_tokens" not in body
    assert body["temperature"] == 0.7
    assert (body["logprobs"], body["top_logprobs"]) == (True, 5)
    assert (body["reasoning_effort"], body["thinking"]) == ("low", {"budget_tokens": 9})
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == json.loads(SCHEMA)


def test_tools_are_sent_where_the_card_admits_them() -> None:
    tools = '[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]'
    call = ToolCall("add", "{}", "c1")
    turns = (ChatMessage("assistant", "", (call,)), ChatMessage("tool", "4", tool_call_id="c1"))
    body = sent(replace(FULL, messages=(*FULL.messages, *turns), tools=tools, tool_choice="none"), tools=True)
    assert (body["tools"], body["tool_choice"]) == (json.loads(tools), "none")
    assert body["messages"][2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
    ]
    assert not {"tools", "tool_choice"} & set(sent(FULL, tools=True))


def test_the_output_cap_is_never_above_the_cards() -> None:
    assert sent(replace(FULL, max_output_tokens=500), max_output_tokens=100)["max_completion_tokens"] == 100


def test_each_sample_has_a_seed_of_its_own() -> None:
    seeds = {
        sent_seed
        for seed, sample in itertools.product(range(3), range(3))
        for sent_seed in [sent(replace(FULL, seed=seed, sample=sample))["seed"]]
    }
    assert len(seeds) == 9


@pytest.mark.parametrize(
    ("request_", "card", "text"),
    [
        (FULL, {"output_cap": "ignored"}, "no output cap"),
        (
            replace(FULL, effort_fields='{"max_tokens":10000}'),
            {"output_cap": "max_tokens"},
            "the output cap is the ledger",
        ),
        (replace(FULL, effort_fields="{"), {}, "cannot be sent"),
        (replace(FULL, tools="[]"), {}, "takes no tools"),
        (replace(FULL, messages=(ChatMessage("user", "\ud800"),)), {}, "surrogate"),
    ],
)
def test_what_cannot_be_asked_is_not_sent(request_: Request, card: dict[str, Any], text: str) -> None:
    with FaultServer() as server:
        model = OpenAIModel(ModelCard(name="m", **card), server.base_url)
        with pytest.raises(CallFailed, match=text) as failure:
            asyncio.run(model.complete(request_))
        assert server.requests == 0
    assert (failure.value.status, failure.value.billed) == (Status.REFUSED, False)


def test_an_ignored_cap_field_shows_in_the_usage() -> None:
    with FaultServer(reply=lambda body: "word " * 100, cap_fields=("max_tokens",)) as server:
        wrong = OpenAIModel(ModelCard(name="m"), server.base_url)
        right = OpenAIModel(ModelCard(name="m", output_cap="max_tokens"), server.base_url)
        replies = [asyncio.run(model.complete(FULL)) for model in (wrong, right)]
    assert [reply.usage and reply.usage.output_tokens > 16 for reply in replies] == [True, False]


def test_concurrency_holds_for_each_card() -> None:
    async def storm(model: OpenAIModel) -> list[Reply]:
        return await asyncio.gather(*(model.complete(FULL.with_sample(sample)) for sample in range(20)))

    with FaultServer(latency=0.01) as server:
        model = OpenAIModel(ModelCard(name="m", concurrency=3), server.base_url)
        assert len(asyncio.run(storm(model))) == 20
        assert server.most_open == 3


def test_calls_keep_the_pace() -> None:
    async def storm(model: OpenAIModel) -> float:
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(model.complete(FULL.with_sample(sample)) for sample in range(5)))
        return asyncio.get_running_loop().time() - start

    with FaultServer() as server:
        # 1,200 a minute are 50 ms apart, so the fifth starts after 200 ms however fast the server is.
        model = OpenAIModel(ModelCard(name="m", requests_per_minute=1200), server.base_url)
        assert asyncio.run(storm(model)) >= 0.2


def test_a_call_cancelled_while_it_waits_frees_its_slot() -> None:
    async def cancel(model: OpenAIModel) -> None:
        first = asyncio.create_task(model.complete(FULL))
        waiting = [asyncio.create_task(model.complete(FULL.with_sample(sample))) for sample in (3, 4)]
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert all(task.cancelled() for task in waiting)
        await first
        await model.complete(FULL)

    with FaultServer(latency=0.05) as server:
        asyncio.run(cancel(OpenAIModel(ModelCard(name="m", concurrency=1), server.base_url)))
        asyncio.run(cancel(OpenAIModel(ModelCard(name="m", requests_per_minute=3000), server.base_url)))


def test_models_on_one_endpoint_share_its_connections() -> None:
    async def both(models: list[OpenAIModel]) -> None:
        for model in models:
            await model.complete(FULL)

    with FaultServer() as server:
        endpoint = Endpoint(server.base_url)
        asyncio.run(both([OpenAIModel.on(ModelCard(name=name), endpoint) for name in ("a", "b")]))
        assert server.connections == 1


def test_logprobs_come_with_the_reply() -> None:
    with FaultServer(reply=lambda body: "one two") as server:
        reply = asyncio.run(OpenAIModel(ModelCard(name="m", logprobs=True), server.base_url).complete(FULL))
    assert reply.mean_logprob == pytest.approx(-0.6931, abs=1e-4)
    assert reply.first_token_entropy == pytest.approx(0.6931, abs=1e-4)


def test_extra_fields_go_with_every_request_and_an_effort_takes_their_place() -> None:
    extra = {"top_p": 0.9, "reasoning_effort": "high"}
    assert sent(FULL, extra_body=extra)["reasoning_effort"] == "high"
    body = sent(replace(FULL, effort_fields='{"reasoning_effort":"low"}'), extra_body=extra)
    assert (body["top_p"], body["reasoning_effort"]) == (0.9, "low")


def test_a_model_has_at_least_one_endpoint() -> None:
    with pytest.raises(PoolError, match="field 'base_urls': names no endpoint"):
        OpenAIModel(ModelCard(name="m"), [])
