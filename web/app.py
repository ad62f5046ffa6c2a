"""An application of routes that fails in OpenAI's shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive

from .hosts import HostCheck
from .refusal import FAULT, Refusal

__all__ = ["GONE", "api", "body_of", "unless_gone"]

T = TypeVar("T")

GONE = 499
"""What many servers log where a client has left; nobody receives it."""


def api(
    routes: Sequence[Route],
    hosts: Sequence[str],
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> Starlette:
    """An ASGI application.

    Args:
        routes: what it serves; they may raise `Refusal`.
        hosts: names besides those of the loopback interface that it answers to.
        lifespan: held while it runs.
    """
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _refused,
            HTTPException: _not_routed,
            ClientDisconnect: _left,
            Exception: _failed,
        },
        middleware=[Middleware(HostCheck, admitted=hosts)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request.

    Args:
        request: whose.
        most: bytes that it may have.

    Raises:
        Refusal: it is longer.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Refusal(413, f"The body is longer than {most:,} bytes.", code="request_too_large")
    return bytes(body)


async def unless_gone(receive: Receive, doing: Coroutine[Any, Any, T]) -> T | None:
    """What comes of doing something for the client of a request whose body has been read.

    It is cancelled as soon as the client has left, and then there is no result.

    Raises:
        Exception: as it does.
    """
    task = asyncio.create_task(doing)
    listening = asyncio.create_task(_until_gone(receive, task.cancel))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:  # of the request, as where the server is stopped
        task.cancel()
        await asyncio.wait({task})
        raise
    finally:
        listening.cancel()
    return None if task.cancelled() else task.result()


async def _until_gone(receive: Receive, leave: Callable[[], object]) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    leave()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _not_routed(request: Request, error: Exception) -> Response:
    """No such path, or not with that method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        message = f"Not allowed to {request.method} on {request.url.path}."
        refusal = Refusal(405, message, code="method_not_allowed")
    else:
        message = f"Invalid URL ({request.method} {request.url.path}); the API begins at /v1."
        refusal = Refusal(error.status_code, message, code="unknown_url")
    response = refusal.response()
    response.headers.update(error.headers or {})
    return response


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=GONE)


async def _failed(request: Request, error: Exception) -> Response:
    """An error of the server's own; it is raised again after this, so that it is logged and the connection closed."""
    response = FAULT.response()
    response.headers["connection"] = "close"
    return response
