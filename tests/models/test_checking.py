from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import BudgetBreach
from apportion.models.breaches import Breaches
from apportion.models.card import ModelCard
from apportion.models.checking import ModelCheck, check_models
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.records.usage import Amount
from apportion.testing.fault_server import Answer, Behaviour, FaultServer

LISTED = ("Qwen/Qwen3-4B", "Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B")


def count(body: Mapping[str, Any]) -> str:
    return "one two three four five six seven eight nine ten " * 10


def check(server: FaultServer, store: MemoryStore | None = None, **card: Any) -> ModelCheck:
    pool = Pool([OpenAIModel(ModelCard(**{"name": "m", **card}), server.base_url)])
    return asyncio.run(check_models(pool, store))["m"]


def test_a_model_that_is_there_and_keeps_its_cap() -> None:
    with FaultServer(reply=count, models=LISTED, strict_names=True) as server:
        found = check(server, served_as="Qwen/Qwen3-4B")
        assert found.charged.tokens == server.billed_tokens
        assert server.requests == 1
        assert server.received[0].body["max_completion_tokens"] == 16
    assert found.faults == ()
    assert found.said == (
        "answers as Qwen/Qwen3-4B-2026-01-01",
        "the output cap is kept (16 of 16 tokens), and usage is complete",
    )


def test_a_name_that_the_endpoint_refuses_is_said_with_the_nearest() -> None:
    with FaultServer(models=LISTED, strict_names=True) as server:
        found = check(server, served_as="Qwen3-4B")
        assert server.billed_tokens == found.charged.tokens == 0
    (fault,) = found.faults
    assert fault.startswith(f"field 'served_as': {server.base_url} lists no model 'Qwen3-4B'; did you mean")
    assert "'Qwen/Qwen3-4B'" in fault
    assert "404" in fault


def test_a_name_that_is_not_listed_where_any_name_is_answered() -> None:
    with FaultServer(reply=count, models=LISTED) as server:
        found = check(server, served_as="gpt")
        assert server.requests == 2
        assert found.charged.tokens == server.billed_tokens
    (fault,) = found.faults
    assert "answers under any name" in fault
    assert "it lists Qwen/Qwen3-4B, Qwen/Qwen3-8B, meta-llama/Llama-3.1-8B" in fault


def test_a_name_that_works_though_it_is_not_listed() -> None:
    def deployment(body: Mapping[str, Any]) -> Answer | None:
        return None if body["model"] == "my-deployment" else Answer({"error": {"message": "no such"}}, 404)

    with FaultServer(reply=count, models=LISTED, answer=deployment) as server:
        found = check(server, served_as="my-deployment")
    assert found.faults == ()
    assert "not among the models that it lists, but it answers" in found.said[1]


def test_a_model_of_any_name_that_breaks_its_cap_has_answered_all_the_same() -> None:
    def reply(body: Mapping[str, Any]) -> str:
        return "one two" if body["model"] == "gpt" else count(body) * 50

    with FaultServer(reply=reply, models=LISTED, cap_fields=("max_tokens",)) as server:
        (fault,) = check(server, served_as="gpt").faults
    assert "answers under any name" in fault


def test_a_failure_does_not_tell_whether_any_name_is_answered() -> None:
    def busy(body: Mapping[str, Any]) -> Answer | None:
        return None if body["model"] == "gpt" else Answer({"error": {"message": "all workers are busy"}}, 503)

    with FaultServer(reply=count, models=LISTED, answer=busy) as server:
        found = check(server, served_as="gpt")
    assert found.faults == ()
    assert "answers under that name; whether it does under any other is not known (" in found.said[1]
    assert "all workers are busy" in found.said[1]


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("gemini-2.0-flash", "models/gemini-2.0-flash"),
        ("llama3", "llama3:latest"),
        ("qwen/qwen3:free", "qwen/qwen3"),
        ("QWEN/qwen3", "Qwen/Qwen3"),
        ("openai/gpt-5", "openai/*"),
    ],
)
def test_other_spellings_of_a_listed_name(asked: str, listed: str) -> None:
    with FaultServer(reply=count, models=(listed,)) as server:
        assert check(server, served_as=asked).faults == ()
        assert server.requests == 1


@pytest.mark.parametrize("asked", ["llama3:70b", "llama", "openai"])
def test_what_is_another_name(asked: str) -> None:
    with FaultServer(reply=count, models=("llama3:8b", "openai/gpt")) as server:
        assert check(server, served_as=asked).faults


def test_endpoints_without_a_list() -> None:
    with FaultServer(reply=count, models=None) as server:
        assert check(server).faults == ()


def test_a_cap_that_is_ignored() -> None:
    with FaultServer(reply=lambda body: count(body) * 50, models=("m",), cap_fields=("max_tokens",)) as server:
        assert "field 'output_cap'" in check(server).faults[0]
        assert check(server, output_cap="max_tokens").faults == ()


def test_an_overrun_that_the_reservation_would_hide() -> None:
    with FaultServer(reply=lambda body: "one two three " * 6, models=("m",), cap_fields=("max_tokens",)) as server:
        (fault,) = check(server).faults
    assert fault.startswith("field 'output_cap': 21 tokens were written for a cap of 16")


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour.NO_USAGE, "no usage is reported"),
        (Behaviour.OUTPUT_USAGE, "usage is incomplete"),
        (Behaviour.TOTAL_USAGE, "usage is incomplete"),
    ],
)
def test_what_is_said_of_usage(behaviour: Behaviour, said: str) -> None:
    store = MemoryStore()
    Breaches(store).add(ModelCard(name="m"), Amount(30), Amount(500))
    with FaultServer([behaviour], reply=count, models=("m",)) as server:
        found = check(server, store)
    assert found.faults == ()
    assert any(said in line for line in found.said)
    with pytest.raises(BudgetBreach):  # what cannot be seen lifts nothing
        Breaches(store).check(ModelCard(name="m"))


def test_a_breach_is_lifted_where_the_cap_is_kept_now() -> None:
    store = MemoryStore()
    Breaches(store).add(ModelCard(name="m"), Amount(30), Amount(500))
    with FaultServer(reply=count, models=("m",)) as server:
        assert any("lifted" in line for line in check(server, store).said)
    Breaches(store).check(ModelCard(name="m"))


def test_a_refusal_names_what_the_card_can_mend() -> None:
    refused = Answer({"error": {"message": "Unsupported parameter: 'temperature'"}}, 400)
    with FaultServer(answer=lambda body: refused, models=("m",)) as server:
        (fault,) = check(server).faults
    assert "temperature = false" in fault


def test_each_endpoint_is_looked_at_once_and_each_model_called() -> None:
    with FaultServer(reply=count, models=("a", "b"), api_key="right") as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        shared = Endpoint(server.base_url, api_key="right")
        models = [OpenAIModel.on(ModelCard(name=name), shared) for name in ("a", "b")]
        away = OpenAIModel(ModelCard(name="away"), f"http://127.0.0.1:{closed.getsockname()[1]}/v1")
        locked = OpenAIModel(ModelCard(name="locked"), server.base_url)
        found = asyncio.run(check_models(Pool([*models, away, locked, *load_pocket_models()[:1]])))
        assert server.requests == 2
    assert list(found) == ["a", "b", "away", "locked"]
    assert [each.faults == () for each in found.values()] == [True, True, False, False]
    assert "base_url" in found["away"].faults[0]
    assert "api_key_env" in found["locked"].faults[0]


def test_each_replica_is_asked_and_one_with_another_model_is_named() -> None:
    with (
        FaultServer(reply=count, models=("m",)) as one,
        FaultServer(reply=count, models=("m",)) as two,
        FaultServer(reply=count, models=("m",), answers_as="large") as other,
    ):
        model = OpenAIModel(ModelCard(name="m"), [other.base_url, one.base_url, two.base_url])
        found = asyncio.run(check_models(Pool([model])))["m"]
        assert [server.requests for server in (one, two, other)] == [1, 1, 1]
        (fault,) = found.faults
        assert fault.startswith(f"field 'base_urls': {other.base_url} answers as 'large', the others as 'm-2026-01-01'")
        assert f"at {two.base_url}: answers as m-2026-01-01" in found.said
        assert found.charged.tokens == one.billed_tokens + two.billed_tokens + other.billed_tokens


def test_a_replica_that_does_not_list_the_model_or_is_down_is_named_and_lifts_nothing() -> None:
    store = MemoryStore()
    card = ModelCard(name="m")
    Breaches(store).add(card, Amount(30), Amount(500))
    with (
        FaultServer(reply=count, models=("m",)) as good,
        FaultServer(models=("other",), strict_names=True) as bad,
        socket.socket() as closed,
    ):
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        model = OpenAIModel(card, [good.base_url, bad.base_url, away])
        found = asyncio.run(check_models(Pool([model]), store))["m"]
        assert [fault.split(": ")[0] for fault in found.faults] == ["field 'served_as'", "field 'base_urls'"]
        assert bad.base_url in found.faults[0]
    with pytest.raises(BudgetBreach):
        Breaches(store).check(card)
