"""OpenAI's own clients, on a transport that leads to the run which the calling code belongs to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from urllib.parse import quote

import openai

from ..errors import UsageError
from ..models.chat.asked import Asked, read_asked
from ..models.chat.completion import CompletionWriter
from ..models.openai_client import http
from ..web.events import DONE, event
from ..web.refusal import Refusal
from .endpoint import place_of
from .reply_stream import Piece, chunks_of, pieces, pieces_async, whole
from .run import AppRun, current_run

__all__ = ["async_openai_client", "openai_client"]

_NOWHERE = "http://apportion.invalid/v1"
"""A base URL to which nothing is ever sent."""
_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
_CLOSING = http.Limits(max_keepalive_connections=0)
"""Connections to the endpoint end with their request: nobody closes these clients."""


def openai_client(role: str | None = None, *, key: str | None = None) -> openai.OpenAI:
    """OpenAI's sync client, unpatched, for use inside an app: its chat completions are answered by a role of the run.

    Args:
        role: who answers, whatever model a request names; None: the role that the request names as its model.
        key: of the run, as `run_endpoint().key` gives it, for threads and processes that have not its context.

    Raises:
        UsageError: the key is none. A request outside a run raises `openai.AuthenticationError`, which names `key=`.
    """
    if key is not None:
        remote = http.Client(limits=_CLOSING, trust_env=False, timeout=None)
        return openai.OpenAI(base_url=_base_url(role, key), api_key=key, max_retries=0, http_client=remote)
    client = http.Client(transport=_Transport(role), trust_env=False)
    return openai.OpenAI(base_url=_NOWHERE, api_key="a run", http_client=client, max_retries=0)


def async_openai_client(role: str | None = None, *, key: str | None = None) -> openai.AsyncOpenAI:
    """As `openai_client`, OpenAI's async client; it may be used on any loop."""
    if key is not None:
        remote = http.AsyncClient(limits=_CLOSING, trust_env=False, timeout=None)
        return openai.AsyncOpenAI(base_url=_base_url(role, key), api_key=key, max_retries=0, http_client=remote)
    client = http.AsyncClient(transport=_AsyncTransport(role), trust_env=False)
    return openai.AsyncOpenAI(base_url=_NOWHERE, api_key="a run", http_client=client, max_retries=0)


def _base_url(role: str | None, key: str) -> str:
    try:
        place = place_of(key)
    except ValueError as error:
        raise UsageError(f"key={key[:16]!r}: {error}") from None
    return place if role is None else f"{place}/roles/{quote(role, safe='')}"


class _Transport(http.BaseTransport):
    """Leads from the thread that asks to its run."""

    def __init__(self, role: str | None) -> None:
        self._role = role

    def handle_request(self, request: http.Request) -> http.Response:
        """One request, one response."""
        try:
            run = _run_of(self._role)
            asked = _read(request, request.read())
            role = self._role or asked.model
            if not asked.stream:
                return http.Response(200, json=whole(run.ask(role, asked)))
            items = pieces(run, role, asked)
            stream = _Stream(CompletionWriter(role, include_usage=asked.include_usage), next(items), items)
            return http.Response(200, headers=_STREAM, stream=stream)
        except Refusal as refusal:
            return _refused(refusal)


class _AsyncTransport(http.AsyncBaseTransport):
    """Leads from the task that asks to its run."""

    def __init__(self, role: str | None) -> None:
        self._role = role

    async def handle_async_request(self, request: http.Request) -> http.Response:
        """One request, one response."""
        try:
            run = _run_of(self._role)
            asked = _read(request, await request.aread())
            role = self._role or asked.model
            if not asked.stream:
                return http.Response(200, json=whole(await run.ask_async(role, asked)))
            items = pieces_async(run, role, asked)
            stream = _AsyncStream(CompletionWriter(role, include_usage=asked.include_usage), await anext(items), items)
            return http.Response(200, headers=_STREAM, stream=stream)
        except Refusal as refusal:
            return _refused(refusal)


class _Stream(http.SyncByteStream):
    """The events of a reply, the first piece of which is there."""

    def __init__(self, writer: CompletionWriter, first: Piece, items: Generator[Piece, None, None]) -> None:
        self._writer = writer
        self._first = first
        self._items = items

    def __iter__(self) -> Iterator[bytes]:
        yield event(self._writer.first())
        yield from map(event, chunks_of(self._writer, self._first))
        try:
            for item in self._items:
                yield from map(event, chunks_of(self._writer, item))
        except Refusal as refusal:
            yield event(refusal)
        yield event(DONE)

    def close(self) -> None:
        """Cancels the call where it has not ended."""
        self._items.close()


class _AsyncStream(http.AsyncByteStream):
    """As `_Stream`."""

    def __init__(self, writer: CompletionWriter, first: Piece, items: AsyncGenerator[Piece, None]) -> None:
        self._writer = writer
        self._first = first
        self._items = items

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield event(self._writer.first())
        for chunk in chunks_of(self._writer, self._first):
            yield event(chunk)
        try:
            async for item in self._items:
                for chunk in chunks_of(self._writer, item):
                    yield event(chunk)
        except Refusal as refusal:
            yield event(refusal)
        yield event(DONE)

    async def aclose(self) -> None:
        """Cancels the call where it has not ended."""
        await self._items.aclose()


def _run_of(role: str | None) -> AppRun:
    """The run that asks; raises a refusal where there is none, because the client would call all else unreachable."""
    try:
        return current_run("a model" if role is None else f"role {role!r}")
    except UsageError as error:
        raise Refusal(401, str(error), code="no_run", kind="authentication_error") from None


def _read(request: http.Request, content: bytes) -> Asked:
    if not request.url.path.endswith("/chat/completions"):
        message = f"Only chat completions are served inside a run, not {request.method} {request.url.path}."
        raise Refusal(404, message, code="unknown_url")
    return read_asked(content)


def _refused(refusal: Refusal) -> http.Response:
    response = refusal.response()
    return http.Response(refusal.status, headers=dict(response.headers), content=bytes(response.body))
