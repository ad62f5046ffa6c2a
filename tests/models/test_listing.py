from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from apportion.errors import PoolError
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.listing import ListedModel, find_model
from apportion.testing.fault_server import Answer, FaultServer
from apportion.testing.hostile import hostile


def find(server: FaultServer, name: str = "", **endpoint: Any) -> ListedModel:
    async def look() -> ListedModel:
        asked = Endpoint(server.base_url, **endpoint)
        try:
            return await find_model(asked, name)
        finally:
            await asked.aclose()

    return asyncio.run(look())


def said(pages: Mapping[str, Answer] | None = None, **entry: Any) -> ListedModel:
    with FaultServer(models=[{"id": "m", "object": "model", **entry}], pages=pages) as server:
        found = find(server)
        assert server.billed_tokens == 0
    ModelCard.model_validate({"name": "m", **found.fields})
    return found


def test_vllm_says_how_long_a_conversation_may_be() -> None:
    found = said(owned_by="vllm", max_model_len=32768, root="Qwen/Qwen3-4B")
    assert found.fields == {"context_tokens": 32768}
    assert [line.partition(":")[0] for line in found.missing] == [
        "max_output_tokens",
        "output_cap",
        "input_usd_per_million and output_usd_per_million",
    ]


def test_openrouter_states_prices_a_token_and_what_requests_may_hold() -> None:
    found = said(
        context_length=131072,
        top_provider={"context_length": 65536, "max_completion_tokens": 99999999},
        pricing={"prompt": "0.0000004", "completion": "0.0000016", "input_cache_read": "0.0000001", "request": "0"},
        supported_parameters=["max_tokens", "temperature", "structured_outputs"],
    )
    assert found.fields == {
        "context_tokens": 65536,
        "max_output_tokens": 65536,
        "temperature": True,
        "seed": False,
        "logprobs": False,
        "json_schema": True,
        "output_cap": "max_tokens",
        "input_usd_per_million": 0.4,
        "output_usd_per_million": 1.6,
        "cached_input_usd_per_million": 0.1,
    }
    assert found.missing == ()


def test_prices_a_million_tokens() -> None:
    fields = said(context_length=8192, pricing={"input": 0.88, "output": 0.9, "hourly": 0}).fields
    assert (fields["input_usd_per_million"], fields["output_usd_per_million"]) == (0.88, 0.9)


@pytest.mark.parametrize(
    "pricing",
    [
        {"prompt": "-1", "completion": "-1"},
        {"prompt": "1e-6"},
        {"prompt": "x", "completion": "y"},
        {"prompt": True, "completion": True},
        {"prompt": "nan", "completion": "inf"},
        {"prompt": "1e300", "completion": "1e300"},
        [],
        "free",
    ],
)
def test_prices_that_say_nothing_are_missing(pricing: Any) -> None:
    found = said(context_length=8192, pricing=pricing)
    assert "input_usd_per_million" not in found.fields
    assert any(line.startswith("input_usd_per_million") for line in found.missing)


def test_dearer_reasoning_and_cached_input_never_lower_a_price() -> None:
    pricing = {"prompt": "1e-6", "completion": "2e-6", "internal_reasoning": "3e-6", "input_cache_read": "5e-6"}
    fields = said(context_length=8192, pricing={**pricing, "request": "0.01"}).fields
    assert fields["output_usd_per_million"] == 3.0
    assert "cached_input_usd_per_million" not in fields
    fee = said(context_length=8192, pricing={**pricing, "request": "0.01"}).missing[-1]
    assert fee.startswith("each request costs 0.01 USD")


def test_llama_cpp_says_elsewhere_what_it_was_started_with() -> None:
    props = Answer({"default_generation_settings": {"n_ctx": 4096}})
    found = said({"/props": props}, owned_by="llamacpp", meta={"n_ctx_train": 131072, "n_params": 1})
    assert found.fields == {"context_tokens": 4096}


def test_what_a_model_was_trained_for_is_said_with_a_doubt() -> None:
    found = said(meta={"n_ctx_train": 131072})
    assert found.fields == {"context_tokens": 131072}
    assert found.missing[0].startswith("context_tokens: the model was trained for 131072, but")


def test_ollama_says_it_of_each_model() -> None:
    shown = {"parameters": 'stop "<|im|>"\nnum_ctx    16384', "model_info": {"qwen3.context_length": 40960}}
    found = said({"/api/show": Answer(shown)}, owned_by="library")
    assert found.fields == {"context_tokens": 16384, "output_cap": "max_tokens"}
    found = said({"/api/show": Answer({**shown, "parameters": ""})}, owned_by="library")
    assert found.fields["context_tokens"] == 40960
    assert "40960" in found.missing[0]
    for count in ("9" * 5000, "٣", "-1", ""):
        found = said({"/api/show": Answer({**shown, "parameters": f"num_ctx {count}"})}, owned_by="library")
        assert found.fields["context_tokens"] == 40960


@pytest.mark.parametrize("value", ["8192", 0, -1, True, None, 1e400, 10**30, [1], {"a": 1}])
def test_a_context_that_is_no_count_is_missing(value: Any) -> None:
    found = said(max_model_len=value, meta=value, pricing={"prompt": value, "completion": 1})
    assert "context_tokens" not in found.fields
    assert found.missing[0].startswith("context_tokens: prompt and completion")


def test_the_name_chooses_among_several() -> None:
    with FaultServer(models=("Qwen/Qwen3-4B", "Qwen/Qwen3-8B", "llama3.2:latest")) as server:
        assert find(server, "Qwen/Qwen3-8B").name == "Qwen/Qwen3-8B"
        assert find(server, "llama3.2").name == "llama3.2:latest"
        with pytest.raises(PoolError, match="lists 3 models; name one with --name: Qwen/Qwen3-4B, Qwen/Qwen3-8B"):
            find(server)
        with pytest.raises(PoolError, match="lists no model 'Qwen3-8B'; did you mean 'Qwen/Qwen3-8B'"):
            find(server, "Qwen3-8B")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Answer({"object": "list", "data": []}), "lists no model; load one"),
        (Answer({"data": "none"}), "lists no model; load one"),
        (Answer({"data": [{"id": 3}, {"id": " "}, None, 5]}), "lists no model; load one"),
        (Answer(b"not json"), "/models is not JSON; perhaps the URL is wrong"),
        (Answer(b"[" * 100_000), "/models is not JSON"),
        (Answer(b"<!doctype html><title>Sign in</title>"), "field 'base_url': no chat completions at"),
        (Answer({}, 500), r"lists no models \(status 500\); write its table by hand"),
    ],
)
def test_lists_that_are_none(page: Answer, said: str) -> None:
    with FaultServer(pages={"/v1/models": page}) as server, pytest.raises(PoolError, match=said):
        find(server)


def test_lists_in_other_shapes() -> None:
    for body in ([{"id": "m"}], {"models": [{"name": "m"}]}, {"models": ["m"]}):
        with FaultServer(pages={"/v1/models": Answer(body)}) as server:
            assert find(server).name == "m"


def test_an_endpoint_that_has_no_list_refuses_the_key_or_is_not_there() -> None:
    with FaultServer(models=None) as server, pytest.raises(PoolError, match="lists no models"):
        find(server)
    with FaultServer(api_key="right") as server:
        with pytest.raises(PoolError, match=r"field 'api_key_env': .* answered 401; it asks for a key"):
            find(server)
        assert find(server, api_key="right").name == "test"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(PoolError, match=r"field 'base_url': .* cannot be reached"):
            asyncio.run(find_model(Endpoint(f"http://127.0.0.1:{free.getsockname()[1]}/v1")))


ENTRY: dict[str, Any] = {
    "id": "m",
    "context_length": 8192,
    "meta": {"n_ctx_train": 8192},
    "top_provider": {"context_length": 4096, "max_completion_tokens": 100},
    "pricing": {"prompt": "1e-6", "completion": "2e-6", "input_cache_read": "1e-7", "request": "0"},
    "supported_parameters": ["max_tokens", "seed"],
}


def test_hostile_lists_are_read_or_refused() -> None:
    async def look(url: str) -> None:
        endpoint = Endpoint(url)
        try:
            found = await find_model(endpoint)
            ModelCard.model_validate({"name": "m", **found.fields})
        except PoolError:
            pass
        finally:
            await endpoint.aclose()

    generator = random.Random(7)
    pages: dict[str, Answer] = {}
    with FaultServer(pages=pages) as server:
        for _ in range(150):
            pages["/v1/models"] = Answer(hostile({"data": [ENTRY]}, generator))
            pages["/props"] = Answer(hostile({"default_generation_settings": {"n_ctx": 5}}, generator))
            pages["/api/show"] = Answer(hostile({"parameters": "num_ctx 5", "model_info": {"a": 1}}, generator))
            asyncio.run(look(server.base_url))
