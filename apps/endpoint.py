"""The metering endpoint: roles of runs in progress behind HTTP, for commands and for clients that have only a key."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..models.pocket.serving.deadlines import with_deadline
from ..models.pocket.serving.hosts import HostCheck
from ..models.pocket.serving.refusal import FAULT, Refusal
from ..models.pocket.serving.server import bind
from .asked import asked_from
from .completion import Answered, events, whole
from .run import AppRun, AppStopped, RunEndpoint

__all__ = ["MOST_BYTES", "Endpoint", "place_of"]

MOST_BYTES = 4 * 1024 * 1024
"""Of a request's body."""
_REQUEST_SECONDS = 60.0
"""How long a request may take to arrive."""
_GONE = 499
"""What many servers log where a client has left; nobody receives it."""
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
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @contextmanager
    def serving(self, run: AppRun) -> Iterator[None]:
        """A run can be reached, once it has been `opened`, until the block ends."""
        try:
            yield
        finally:
            with self._lock:
                self._runs.pop(run.token, None)

    def opened(self, run: AppRun) -> RunEndpoint:
        """Makes a run reachable; starts the server where it does not listen yet."""
        with self._lock:
            if self._server is None:
                self._start()
            self._runs[run.token] = run
        key = f"apportion-{self._port}-{run.token}"
        return RunEndpoint(place_of(key), key)

    def close(self) -> None:
        """Ends the server; requests in flight are cut off."""
        with self._lock:
            server, thread, self._server = self._server, self._thread, None
        if server is not None and thread is not None:
            server.should_exit = server.force_exit = True
            thread.join()

    def _start(self) -> None:
        socket = bind("127.0.0.1", 0)
        socket.listen(1024)  # so that who connects before the server accepts waits for it
        self._port = socket.getsockname()[1]
        config = uvicorn.Config(
            _app(self._runs),
            loop="asyncio",
            http=with_deadline(_REQUEST_SECONDS),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve([socket])), name="apportion-endpoint", daemon=True
        )
        self._thread.start()


def _app(runs: Mapping[str, AppRun]) -> Starlette:
    api = _Api(runs)
    app = Starlette(
        routes=[
            Route("/v1/models", api.models),
            Route("/v1/chat/completions", api.complete, methods=["POST"]),
            Route("/v1/roles/{role}/chat/completions", api.complete, methods=["POST"]),
            # Where a client was given the base URL without its last part.
            Route("/chat/completions", api.complete, methods=["POST"]),
        ],
        exception_handlers={
            Refusal: _refused,
            HTTPException: _not_routed,
            ClientDisconnect: _left,
            Exception: _failed,
        },
        middleware=[Middleware(HostCheck, admitted=())],
    )
    app.router.redirect_slashes = False
    return app


class _Api:
    def __init__(self, runs: Mapping[str, AppRun]) -> None:
        self._runs = runs

    async def models(self, request: Request) -> Response:
        run = self._run(request)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "apportion"} for name in run.names]
        return JSONResponse({"object": "list", "data": data})

    async def complete(self, request: Request) -> Response:
        run = self._run(request)
        body = await _body_of(request)
        role = request.path_params.get("role") or body.get("model")
        if not isinstance(role, str) or not role:
            raise Refusal(400, "Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
        asked = asked_from(body)
        try:
            waiting = asyncio.wrap_future(run.submit(role, asked))
        except AppStopped:
            raise _ended() from None
        answered = await _attended(request, waiting)
        if answered is None:
            return Response(status_code=_GONE)
        if not body.get("stream"):
            return JSONResponse(whole(answered))
        options = body.get("stream_options")
        usage = isinstance(options, dict) and bool(options.get("include_usage"))
        return StreamingResponse(_streamed(answered, usage), media_type="text/event-stream")

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


def _ended() -> Refusal:
    message = "The run that this key belongs to has ended, or there never was one."
    return Refusal(401, message, code="run_ended", kind="authentication_error")


async def _attended(request: Request, waiting: asyncio.Future[Answered]) -> Answered | None:
    """What comes of a call while its client is there; where that leaves, the call is cancelled."""
    left = asyncio.ensure_future(_leaves(request))
    try:
        both: set[asyncio.Future[Any]] = {waiting, left}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return None
        if waiting.cancelled():
            raise _ended()
        return waiting.result()
    finally:
        left.cancel()
        waiting.cancel()


async def _leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


async def _streamed(answered: Answered, usage: bool) -> AsyncIterator[str]:
    for event in events(answered, include_usage=usage):
        yield event


async def _body_of(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise Refusal(413, f"The body is longer than {MOST_BYTES:,} bytes.", code="request_too_large")
    try:
        content = from_json(bytes(body), allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"The body is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(content, dict):
        raise Refusal(400, "The body is not a JSON object.", code="invalid_json")
    return content


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    response = error.response()
    # Calls are tried again by the run, each with a reservation of its own.
    response.headers["x-should-retry"] = "false"
    return response


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path}); served are chat completions and the list of models."
    return Refusal(error.status_code, message, code="unknown_url").response()


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=_GONE)


async def _failed(request: Request, error: Exception) -> Response:
    return FAULT.response()
