"""What a client is told whose request is cancelled because the server is being stopped."""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .events import event
from .refusal import Refusal

__all__ = ["Stopping"]

_STOPPED = Refusal(
    503, "The server is being stopped; ask again in a moment.", code="stopping", kind="server_error", retry_after=1
)


class Stopping:
    """ASGI middleware that ends what is cancelled with a refusal, or a stream of events with an event that says so.

    Without it a cancelled request looks to client and log like a fault of the server.

    Args:
        app: what may be cancelled.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        begun: list[Message] = []

        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.failed" and _cancelled():
                return
            if message["type"] == "http.response.start":
                begun.append(message)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                return
            if not begun:
                await _STOPPED.response()(scope, receive, send)
                return
            kind = MutableHeaders(raw=begun[0]["headers"]).get("content-type", "")
            told = event(_STOPPED) if kind.startswith("text/event-stream") else b""
            await send({"type": "http.response.body", "body": told, "more_body": False})


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
