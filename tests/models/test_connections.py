"""What an endpoint is sent: headers, query, keys, by either transport and through a proxy."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import CallFailed, PoolError
from apportion.models.card import ModelCard
from apportion.models.connections import Transport
from apportion.models.endpoint_options import EndpointOptions
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.testing.fault_server import Answer, FaultServer

REQUEST = Request("m", (ChatMessage("user", "Say ok."),), max_output_tokens=16)
_NONE = Answer({"error": {"code": "DeploymentNotFound"}}, 404)
TRANSPORTS: list[Any] = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name == "aiohttp" and importlib.util.find_spec("aiohttp") is None, reason="aiohttp is not installed"
        ),
    )
    for name in ("aiohttp", "httpx")
]


def ask(url: str, transport: Transport = "httpx", *, check: bool = False, **fields: Any) -> Reply:
    key = fields.pop("api_key", "")
    model = OpenAIModel(ModelCard(name="m"), url, api_key=key, transport=transport, options=EndpointOptions(**fields))

    async def complete() -> Reply:
        try:
            if check:
                await model.endpoints[0].check()
            return await model.complete(REQUEST)
        finally:
            await model.aclose()

    return asyncio.run(complete())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_headers_query_organization_and_project_go_with_each_request(transport: Transport) -> None:
    with FaultServer() as server:
        ask(
            server.base_url,
            transport,
            headers=(("X-Team", "blue"), ("Authorization", "Basic abc")),
            query=(("v", "2 3"),),
            organization="org",
            project="proj",
        )
        (received,) = server.received
    assert received.path == "/v1/chat/completions?v=2+3"
    sent = received.headers
    assert (sent["x-team"], sent["authorization"]) == ("blue", "Basic abc")
    assert (sent["openai-organization"], sent["openai-project"]) == ("org", "proj")


def test_what_the_environment_names_for_openai_is_sent_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: 1")
    with FaultServer() as server:
        ask(server.base_url)
        (received,) = server.received
    assert {"openai-organization", "openai-project"}.isdisjoint(received.headers)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("suffix", ["", "/openai", "/openai/"])
def test_azure_has_the_deployment_in_its_path_and_the_key_in_a_header_of_its_own(
    transport: Transport, suffix: str
) -> None:
    with FaultServer(api_key="azure-key") as server:
        root = server.base_url.removesuffix("/v1") + suffix
        azure: dict[str, Any] = {"deployment": "my deployment", "api_version": "2024-10-21", "api_key": "azure-key"}
        reply = ask(root, transport, check=True, **azure)
        empty, received = server.received
    assert reply.text == "ok"
    path = "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"
    assert (empty.path, received.path) == (path, path)
    assert received.headers["api-key"] == "azure-key"
    assert "authorization" not in received.headers


def test_an_azure_key_that_is_refused_and_a_deployment_that_is_not_there() -> None:
    with FaultServer(api_key="azure-key") as server:
        root = server.base_url.removesuffix("/v1")
        azure: dict[str, Any] = {"deployment": "d", "api_version": "1"}
        with pytest.raises(PoolError, match="the key was not accepted"):
            ask(root, check=True, api_key="wrong", **azure)
        with pytest.raises(CallFailed, match="answered 401"):
            ask(root, api_key="wrong", **azure)
    with FaultServer(pages={"/openai/deployments/d/chat/completions?api-version=1": _NONE}) as server:
        azure = {"deployment": "d", "api_version": "1"}
        with pytest.raises(PoolError, match=r"field 'deployment': .* has no deployment 'd'"):
            ask(server.base_url.removesuffix("/v1"), check=True, **azure)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_proxy_carries_the_requests(transport: Transport) -> None:
    with FaultServer() as proxy:
        reply = ask("http://nowhere.invalid:1234/v1", transport, proxy=proxy.base_url.removesuffix("/v1"))
        (received,) = proxy.received
    assert reply.text == "ok"
    assert received.path == "http://nowhere.invalid:1234/v1/chat/completions"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_proxy_that_is_down_is_not_billed(transport: Transport) -> None:
    with FaultServer() as server, pytest.raises(CallFailed, match="cannot be reached") as caught:
        ask(server.base_url, transport, proxy="http://127.0.0.1:9")
    assert not caught.value.billed
    assert server.requests == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_certificates_are_checked_against_the_file_of_authorities(transport: Transport, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "ca.pem"]
    subprocess.run([*command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    with FaultServer(tls=tls) as server:
        assert ask(server.base_url, transport, ca_file=str(tmp_path / "ca.pem")).text == "ok"
        with pytest.raises(CallFailed, match="certificate") as caught:
            ask(server.base_url, transport)
        assert not caught.value.billed


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_secrets_of_headers_are_blotted_out_of_what_servers_repeat(transport: Transport) -> None:
    secret = "CANARY0123456789abcdef"
    with FaultServer(reply=lambda body: f"you said {secret}") as server:
        options: dict[str, Any] = {"headers": (("X-Key", secret),), "secrets": (secret,)}
        assert ask(server.base_url, transport, **options).text == "you said [key]"
