from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from apportion.errors import PoolError, UnknownName
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Request
from apportion.testing.fault_server import FaultServer

URL = "http://localhost:1/v1"


def pool(*cards: ModelCard) -> Pool:
    return Pool(OpenAIModel(card, URL) for card in cards)


def test_order_and_lookup() -> None:
    models = pool(ModelCard(name="small"), ModelCard(name="large", weight=8.0), ModelCard(name="a"))
    assert models.names == ("small", "large", "a")
    assert models.card("large").weight == 8.0
    assert models.model("a").card.name == "a"
    assert [card.name for card in models.cards] == [model.card.name for model in models]
    assert repr(models) == "Pool(small, large, a)"


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'small'"):
        pool(ModelCard(name="small"), ModelCard(name="large")).model("smal")


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(PoolError, match="'small'"):
        pool(ModelCard(name="small"), ModelCard(name="small"))


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(PoolError, match="no models"):
        Pool([])


def test_costs_money() -> None:
    assert not pool(ModelCard(name="a")).costs_money
    assert pool(ModelCard(name="a"), ModelCard(name="b", output_usd_per_million=1.0)).costs_money


def test_from_toml_and_back_to_use(tmp_path: Path) -> None:
    async def use(models: Pool) -> str:
        await models.check()
        reply = await models.model("m").complete(Request("m", (ChatMessage("user", "hi"),), 8))
        await models.aclose()
        await models.aclose()
        return reply.text

    with FaultServer() as server:
        path = tmp_path / "pool.toml"
        path.write_text(f'[models.m]\nbase_url = "{server.base_url}"\n')
        assert asyncio.run(use(Pool.from_toml(path))) == "ok"


def test_check_has_a_line_for_each_endpoint_that_fails() -> None:
    with FaultServer() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        wrong = server.base_url.removesuffix("/v1")
        urls = {"good": server.base_url, "away": away, "wrong": wrong}
        models = Pool(OpenAIModel(ModelCard(name=name), url) for name, url in urls.items())
        with pytest.raises(PoolError) as failure:
            asyncio.run(models.check())
    lines = str(failure.value).splitlines()
    assert len(lines) == 2
    assert away in lines[0]
    assert wrong in lines[1]


def test_check_says_which_replicas_are_away_and_fails_only_where_a_model_has_none() -> None:
    with FaultServer() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        replicated = OpenAIModel(ModelCard(name="a"), [away, server.base_url])
        (fault,) = asyncio.run(Pool([replicated]).check())
        assert fault.startswith(f"field 'base_url': {away} cannot be reached")
        none = OpenAIModel.on(ModelCard(name="b"), [Endpoint(away), Endpoint(away)])
        with pytest.raises(PoolError, match="cannot be reached"):
            asyncio.run(Pool([replicated, none]).check())
        assert asyncio.run(Pool([OpenAIModel(ModelCard(name="c"), server.base_url)]).check()) == ()
