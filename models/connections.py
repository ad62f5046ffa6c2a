"""The HTTP clients of an endpoint, one per event loop."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import AsyncGenerator, Callable
from importlib.util import find_spec
from typing import Literal
from urllib.parse import quote

import openai

from ..errors import PoolError
from .departure import trace_departure
from .endpoint_options import EndpointOptions
from .event_loops import PerLoop
from .openai_client import http

__all__ = ["Connections", "Transport"]

Transport = Literal["aiohttp", "httpx", "httpx2"]

_NO_KEY = "none"
"""Sent where no key is configured, so that the client does not fall back on a key of another endpoint."""


class Connections:
    """Keeps one client per event loop, and closes it when that loop shuts down, as `asyncio.run` does at its end.

    Args:
        base_url: of the endpoint.
        key: sent with each request; empty where none is needed.
        transport: how requests travel; None takes aiohttp where it is installed.
        connect_seconds: the most that opening a connection may take.
        options: all else.

    Raises:
        PoolError: the transport is not there, or the certificate authorities cannot be read; the message begins with
            the field's name.
    """

    def __init__(
        self, base_url: str, key: str, transport: Transport | None, connect_seconds: float, options: EndpointOptions
    ) -> None:
        installed = find_spec("aiohttp") is not None
        if transport == "aiohttp" and not installed:
            raise PoolError("field 'transport': the package aiohttp is not installed; install it or take the field out")
        self.transport: Transport = transport or ("aiohttp" if installed else "httpx")
        self._base_url = _azure_url(base_url, options) if options.deployment else base_url
        self._key = key
        self._connect_seconds = connect_seconds
        self._options = options
        self._tls = options.tls()
        self._leases = PerLoop(lambda: _Lease(self._connect))
        self.errors = _errors(self.transport)
        """What a failed exchange raises."""

    @property
    def completions_url(self) -> str:
        """Where chat completions are asked for."""
        return f"{self._base_url}/chat/completions"

    async def client(self) -> openai.AsyncOpenAI:
        """The running loop's client."""
        return await self._leases.get().client()

    async def aclose(self) -> None:
        """Closes the running loop's client."""
        lease = self._leases.pop()
        if lease is not None:
            await lease.end()

    def _connect(self) -> openai.AsyncOpenAI:
        options = self._options
        limits = http.Limits(max_connections=10_000, max_keepalive_connections=1_000, keepalive_expiry=5.0)
        timeout = http.Timeout(None, connect=self._connect_seconds)  # who asks holds the deadline of the whole
        carrier: http.AsyncBaseTransport | None = None
        verify = self._verify()
        if self.transport == "aiohttp":
            from .aiohttp_transport import AiohttpTransport

            carrier = AiohttpTransport(verify, limits, self._connect_seconds, options.proxy)
        client = openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._key or _NO_KEY,
            max_retries=0,
            timeout=timeout,
            default_headers=dict(options.headers),
            default_query=dict(options.query) | ({"api-version": options.api_version} if options.api_version else {}),
            http_client=http.AsyncClient(
                transport=carrier,
                proxy=(options.proxy or None) if carrier is None else None,
                limits=limits,
                timeout=timeout,
                verify=verify,
                event_hooks={"request": [trace_departure, self._sign] if options.deployment else [trace_departure]},
            ),
        )
        ours = client.base_url.host == "api.openai.com"  # what the environment names is meant for OpenAI alone
        client.organization = options.organization or (client.organization if ours else None)
        client.project = options.project or (client.project if ours else None)
        return client

    async def _sign(self, request: http.Request) -> None:
        """Puts the key where Azure OpenAI looks for it."""
        if self._key:
            del request.headers["Authorization"]
            request.headers["api-key"] = self._key

    def _verify(self) -> ssl.SSLContext | bool:
        if self._tls is not None:
            return self._tls
        # Without redirects, http never meets a certificate, and loading the known authorities takes 40 ms.
        plain = self._base_url.startswith("http://") and not self._options.proxy.startswith("https://")
        return False if plain else http.create_ssl_context()


class _Lease:
    """A client that lives as long as its event loop.

    An asynchronous generator holds it, because a loop closes its generators when it shuts down, and that is the last
    moment at which connections can be closed in order.
    """

    def __init__(self, connect: Callable[[], openai.AsyncOpenAI]) -> None:
        self._generator = _hold(connect)
        self._client: openai.AsyncOpenAI | None = None

    async def client(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = await anext(self._generator)  # never suspends, so two callers cannot meet here
        return self._client

    async def end(self) -> None:
        await self._generator.aclose()


async def _hold(connect: Callable[[], openai.AsyncOpenAI]) -> AsyncGenerator[openai.AsyncOpenAI, None]:
    client = connect()
    try:
        yield client
    finally:
        await client.close()


def _azure_url(base_url: str, options: EndpointOptions) -> str:
    """Where Azure OpenAI has a deployment."""
    return f"{base_url.removesuffix('/openai')}/openai/deployments/{quote(options.deployment, safe='')}"


def _errors(transport: Transport) -> tuple[type[Exception], ...]:
    failed: tuple[type[Exception], ...] = (openai.OpenAIError, http.HTTPError, OSError)
    return (*failed, importlib.import_module("aiohttp").ClientError) if transport == "aiohttp" else failed
