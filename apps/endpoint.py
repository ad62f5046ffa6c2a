"""The metering endpoint: roles of runs in progress behind HTTP, for commands and for clients that have only a key."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..models.chat.asked import Asked, read_asked
from ..models.chat.completion import CompletionWriter, Json
from ..web.app import GONE, api, body_of, unless_gone
from ..web.event_stream import EventStream
from ..web.refusal import Refusal
from ..web.server import Server, listening
from .reply_stream import chunks_of, pieces_async, whole
from .run import Answered, AppRun, AppStopped, RunEndpoint

__all__ = ["MOST_BYTES", "Endpoint", "place_of"]

MOST_BYTES = 4 * 1024 * 1024
"""Of a request's body."""
_REQUEST_SECONDS = 60.0
"""How long a request may take to arrive."""
_GRACE_SECONDS = 2
"""How long requests in flight may take after the last run has ended: they are refused, and nothing is in progress."""
_KEY = re.compile(r"apportion-(?P<port>[0-9]{1,5})-(?P<token>[\w-]+)")


def place_of(key: str) -> str:
    """The base URL of the endpoint that a run's key names.

    Raises:
        ValueError: it is no such key.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        raise ValueError("it is not the key of a run, as run_endpoint().key gives it")
    return f"http://127.0.0.1:{found['port']}/v1"


class Endpoint:
    """A server on a loopback port and a thread of its own, opened when a run first needs it.

    Every request says by its key which run it belongs to. It is not reachable from other machines, and not by web
    pages that have their own name resolve to this one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, AppRun] = {}
        self._server: Server | None = None
        self._port = 0
        self._closed = False

    @contextmanager
    def serving(self, run: AppRun) -> Iterator[None]:
        """A run can be reached, once it has been `opened`, until the block ends."""
        try:
            yield
        finally:
            with self._lock:
                self._runs.pop(run.token, None)

    def opened(self, run: AppRun) -> RunEndpoint:
        """Makes a run reachable; starts the server where it does not listen yet.

        Raises:
            AppStopped: the run has ended; its thread goes on, and nobody would close what it opens.
        """
        with self._lock:
            if self._closed or run.ended:
                raise AppStopped("the run that asks for an endpoint has ended")
            if self._server is None:
                self._start()
            self._runs[run.token] = run
        key = f"apportion-{self._port}-{run.token}"
        return RunEndpoint(place_of(key), key)

    def close(self) -> None:
        """Ends the server; requests in flight are cut off."""
        with self._lock:
            self._closed = True
            server, self._server = self._server, None
        if server is not None:
            server.__exit__(None, None, None)

    def _start(self) -> None:
        bound = listening("127.0.0.1", 0)
        self._port = bound.getsockname()[1]
        server = Server(_app(self._runs), bound, request_seconds=_REQUEST_SECONDS, grace_seconds=_GRACE_SECONDS)
        self._server = server.__enter__()


def _app(runs: Mapping[str, AppRun]) -> Starlette:
    served = _Api(runs)
    routes = [
        Route("/v1/models", served.models),
        Route("/v1/chat/completions", served.complete, methods=["POST"]),
        Route("/v1/roles/{role:path}/chat/completions", served.complete, methods=["POST"]),
    ]
    return api(routes, (), _nothing_held)


@asynccontextmanager
async def _nothing_held(app: Starlette) -> AsyncIterator[None]:
    yield


class _Api:
    def __init__(self, runs: Mapping[str, AppRun]) -> None:
        self._runs = runs

    async def models(self, request: Request) -> Response:
        run = self._run(request)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "apportion"} for name in run.names]
        return JSONResponse({"object": "list", "data": data})

    async def complete(self, request: Request) -> Response | EventStream:
        run = self._run(request)
        asked = read_asked(await body_of(request, MOST_BYTES))
        role = request.path_params.get("role") or asked.model
        if asked.stream:
            return EventStream(_chunks(run, role, asked))
        answered = await unless_gone(request.receive, _answered(run, role, asked))
        return Response(status_code=GONE) if answered is None else JSONResponse(whole(answered))

    def _run(self, request: Request) -> AppRun:
        """The run whose key a request has."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        found = _KEY.fullmatch(key.strip())
        if scheme.lower() != "bearer" or found is None:
            message = "There is no key of a run in the Authorization header; send the run's OPENAI_API_KEY as Bearer."
            raise Refusal(401, message, code="invalid_api_key", kind="authentication_error")
        run = self._runs.get(found["token"])
        if run is None or run.ended:
            raise _ended()
        return run


async def _answered(run: AppRun, role: str, asked: Asked) -> Answered:
    try:
        return await run.ask_async(role, asked)
    except asyncio.CancelledError:
        if run.ended:
            raise _ended() from None
        raise


async def _chunks(run: AppRun, role: str, asked: Asked) -> AsyncGenerator[Json, None]:
    """The chunks of a stream, as the reply comes."""
    writer = CompletionWriter(role, include_usage=asked.include_usage)
    begun = False
    try:
        async with aclosing(pieces_async(run, role, asked)) as items:
            async for item in items:
                if not begun:
                    begun = True
                    yield writer.first()
                for chunk in chunks_of(writer, item):
                    yield chunk
    except asyncio.CancelledError:
        if run.ended:
            raise _ended() from None
        raise


def _ended() -> Refusal:
    message = "The run that this key belongs to has ended, or there never was one."
    return Refusal(401, message, code="run_ended", kind="authentication_error")
