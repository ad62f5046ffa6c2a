from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.probing import Probe, probe_models
from apportion.testing.fault_server import Answer, FaultServer


class Able:
    """An endpoint of a tokenizer of one token a byte that can do what it is told it can, and refuses the rest."""

    def __init__(self, *can: str, template: int = 5, message: int = 3) -> None:
        self.can = can
        self.template, self.message = template, message

    def __call__(self, body: Mapping[str, Any]) -> Answer:
        messages = body["messages"]
        for name in ("seed", "logprobs", "n", "tools", "response_format", "temperature", "continue_final_message"):
            if name in body and name not in self.can:
                return Answer({"error": {"message": f"Unsupported parameter: {name}"}}, 400)
        if messages[0]["role"] == "system" and "system" not in self.can:
            return Answer({"error": {"message": "System role not supported"}}, 400)
        if messages[-1].get("prefix") and "prefix" not in self.can:
            return Answer({"detail": [{"loc": ["body", "messages", "prefix"], "msg": "Extra inputs"}]}, 422)
        prompt = self.template + sum(self.message + len(each["content"]) for each in messages)
        text = self._text(body)
        choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": text, "logprob": -0.5, "top_logprobs": []}]}
        if body.get("tools"):
            choice["message"] = {"content": None, "tool_calls": [{"id": "1"}]}
        output = len(text) * body.get("n", 1)
        usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
        completion = {"model": "m", "choices": [choice] * body.get("n", 1), "usage": usage}
        return Answer(completion, billed_tokens=prompt + output)

    def _text(self, body: Mapping[str, Any]) -> str:
        last = body["messages"][-1]
        if last["role"] == "assistant":
            goes_on = "plain" in self.can or last.get("prefix") or body.get("continue_final_message")
            return " F G H" if goes_on else "Yes?"
        if body.get("response_format"):
            return '{"greeting": "hi"}' if "keeps" in self.can else "hello"
        return str(body.get("seed", "blue"))


def probe(answer: Any, store: MemoryStore | None = None, **card: Any) -> tuple[Probe, FaultServer]:
    with FaultServer(answer=answer) as server:
        pool = Pool([OpenAIModel(ModelCard(**{"name": "m", **card}), server.base_url)])
        return asyncio.run(probe_models(pool, ["m"], store))["m"], server


def fields(found: Probe) -> dict[str, Any]:
    """What a pool file would read."""
    return tomllib.loads("\n".join(found.lines))


def comments(found: Probe) -> str:
    return "\n".join(line for line in found.lines if line.startswith("#"))


ALL = ("system", "seed", "logprobs", "n", "tools", "response_format", "temperature", "keeps", "prefix")


def test_an_endpoint_that_can_do_everything() -> None:
    found, server = probe(Able(*ALL))
    assert fields(found) == {
        "template_tokens": 5,
        "message_tokens": 3,
        "temperature": True,
        "seed": True,
        "logprobs": True,
        "json_schema": True,
        "tools": True,
    }
    assert "n: 2 of 2 samples came from one request" in comments(found)
    assert 'prefix: goes on with an assistant\'s message with "prefix": true' in comments(found)
    assert "equal seeds gave equal text" in "\n".join(found.lines)
    assert found.tokens == server.billed_tokens < 2_000
    ModelCard(name="m", **fields(found))  # every line is a field of a card


def test_an_endpoint_that_can_do_nothing() -> None:
    found, server = probe(Able())
    assert fields(found) == {
        "system_role": "user",
        "template_tokens": 5,
        "message_tokens": 3,
        "temperature": False,
        "seed": False,
        "logprobs": False,
        "json_schema": False,
    }
    assert "Unsupported parameter: seed" in "\n".join(found.lines)
    for name in ("n: refused", "tools: refused", "prefix: does not go on"):
        assert name in comments(found)
    assert found.tokens == server.billed_tokens


def test_what_is_taken_and_not_done() -> None:
    without = [name for name in ALL if name not in ("keeps", "prefix")]
    found, _ = probe(Able(*without))
    assert fields(found)["json_schema"] is False
    assert "did not follow it" in "\n".join(found.lines)


@pytest.mark.parametrize("how", ["plain", "prefix", "continue_final_message"])
def test_ways_to_go_on_with_a_message(how: str) -> None:
    found, _ = probe(Able(how))
    assert "prefix: goes on" in comments(found)


def test_a_reply_to_one_sample_where_two_were_asked_for() -> None:
    def one(body: Mapping[str, Any]) -> Answer:
        return Able(*ALL)({name: value for name, value in body.items() if name != "n"})

    assert "n: 1 of 2 samples" in comments(probe(one)[0])


def test_a_larger_template_for_instructions_counts() -> None:
    def dated(body: Mapping[str, Any]) -> Answer:
        told = body["messages"][0]["role"] == "system"
        return Able(*ALL, template=45 if told else 5)(body)

    assert fields(probe(dated)[0])["template_tokens"] == 45


def test_a_failure_that_says_nothing_sets_nothing() -> None:
    def busy(body: Mapping[str, Any]) -> Answer:
        if "seed" in body:
            return Answer({"error": "overloaded"}, 503)
        return Able(*ALL)(body)

    with FaultServer(answer=busy) as server:
        card = ModelCard(name="m")
        pool = Pool([OpenAIModel(card, server.base_url)])
        found = asyncio.run(probe_models(pool, ["m"]))["m"]
    assert "seed" not in fields(found)
    assert "# seed: not known" in comments(found)


def test_nothing_is_said_of_an_endpoint_that_does_not_answer() -> None:
    store = MemoryStore()
    found, server = probe(lambda body: Answer({"error": "no key"}, 401), store)
    assert server.requests == 1
    assert found.lines[0].startswith("# not probed: ")
    assert probe(Able(*ALL), store)[0].tokens > 0


def test_usage_that_is_incomplete_tells_nothing_of_the_template() -> None:
    def bare(body: Mapping[str, Any]) -> Answer:
        answer = Able(*ALL)(body)
        return replace(answer, body={**answer.body, "usage": None})  # type: ignore[dict-item]

    found, _ = probe(bare)
    assert "template_tokens" not in fields(found)
    assert "the template's tokens are not known" in comments(found)


def test_what_was_found_is_kept_for_seven_days(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    with FaultServer(answer=Able(*ALL)) as server:
        pool = Pool([OpenAIModel(ModelCard(name="m"), server.base_url)])
        first = asyncio.run(probe_models(pool, ["m"], store))["m"]
        asked = server.requests
        assert asyncio.run(probe_models(pool, ["m"], store))["m"] == first
        assert server.requests == asked
        # Another model on the endpoint is another question.
        other = Pool([OpenAIModel(ModelCard(name="m", served_as="n"), server.base_url)])
        asyncio.run(probe_models(other, ["m"], store))
        assert server.requests == 2 * asked
        later = first.found_at + 7 * 24 * 3600 + 1
        monkeypatch.setattr("apportion.models.probing.time.time", lambda: later)
        assert asyncio.run(probe_models(pool, ["m"], store))["m"].found_at == later


def test_odd_texts_stay_within_their_comment() -> None:
    def odd(body: Mapping[str, Any]) -> Answer:
        if "seed" in body:
            return Answer({"error": 'no\nseed = true\r\x1b[0m "quoted" = # x'}, 400)
        return Able(*ALL)(body)

    found, _ = probe(odd)
    assert fields(found)["seed"] is False
    assert all(line.isprintable() for line in found.lines)
    assert json.dumps(found.lines)
