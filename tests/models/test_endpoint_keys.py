"""Keys and addresses of endpoints: refused where they cannot be used, never shown."""

from __future__ import annotations

import asyncio

import pytest

from apportion.errors import PoolError
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.testing.fault_server import Answer, FaultServer

from .test_endpoint import REQUEST, attempt, refusal


def test_a_missing_key_names_variable_and_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(PoolError, match=r"'api_key_env'.*NO_SUCH_KEY is not set"):
        Endpoint("http://localhost/v1", api_key_env="NO_SUCH_KEY")


@pytest.mark.parametrize("key", ["sk canary", "sk-canary\nx: y", "sk-canary-é"])
def test_a_key_that_is_no_header_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", key)
    with pytest.raises(PoolError, match="api_key_env") as refusal:
        Endpoint("http://localhost/v1", api_key_env="THE_KEY")
    assert "canary" not in str(refusal.value)


def test_the_line_end_of_a_key_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "right\n")
    with FaultServer(api_key="right") as server:
        asyncio.run(Endpoint(server.base_url, api_key_env="THE_KEY").check())


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://user:secret@host/v1", "http://host/v1?key=secret"]
)
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(PoolError, match="field 'base_url'") as refusal:
        Endpoint(url)
    assert "secret" not in str(refusal.value)


def test_keys_stay_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-endpoint")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-endpoint")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-another-endpoint")
    with FaultServer() as server:
        attempt(server, "httpx2")
        (received,) = server.received
    assert "another-endpoint" not in repr(received)


def test_a_key_that_the_endpoint_repeats_is_taken_out() -> None:
    key = "sk-canary-0123456789"
    with FaultServer(reply=lambda body: f"your key is {key}") as server:
        endpoint = Endpoint(server.base_url, api_key=key)
        model = OpenAIModel.on(ModelCard(name="m"), endpoint)
        reply = asyncio.run(model.complete(REQUEST))
    assert reply.text == "your key is [key]"
    assert key not in repr(model)
    assert key not in repr(endpoint)


def test_a_key_that_guards_nothing_may_be_a_word_of_a_reply() -> None:
    with FaultServer(reply=lambda body: "ollama runs models") as server:
        model = OpenAIModel.on(ModelCard(name="m"), Endpoint(server.base_url, api_key="ollama"))
        reply = asyncio.run(model.complete(REQUEST))
    assert reply.text == "ollama runs models"


def test_a_key_in_an_error_is_taken_out_before_it_is_cut() -> None:
    key = "sk-canary-0123456789"
    for filler in range(280, 300):
        failed = refusal(Answer({"error": "x" * filler + key}, 400), api_key=key)
        assert "canary" not in failed.reason


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://me:CANARY0123/x@host/v1", "this is not a URL"),
        ("http://me:CANARY0123@host:port/v1", "this is not a URL"),
        ("http://host:port/v1", "this is not a URL: Invalid port"),
        ("http://host/v1#CANARY0123", "a '#'"),
        ("http://host/v1 ", "a space"),
    ],
)
def test_what_is_wrong_with_a_url_is_told_without_what_may_be_a_password(url: str, said: str) -> None:
    with pytest.raises(PoolError, match=r"^field 'base_url': ") as caught:
        Endpoint(url)
    assert said in str(caught.value)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("again", ["http://a/v1", "http://a/v1/", "http://A/v1", "http://a:80/v1", "HTTP://a/v1"])
def test_a_model_in_code_is_not_served_twice_at_one_place(again: str) -> None:
    with pytest.raises(PoolError, match="field 'base_urls': place 3 is there before"):
        OpenAIModel(ModelCard(name="m"), ["http://a/v1", "http://b/v1", again])
    assert len(OpenAIModel(ModelCard(name="m"), ["http://a/v1", "http://a:8080/v1", "https://a/v1"]).endpoints) == 3
