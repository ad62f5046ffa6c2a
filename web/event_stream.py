"""A response of server-sent events, as OpenAI's clients read them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from .refusal import FAULT, error_body

__all__ = ["EventStream"]

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class EventStream:
    """One event for each chunk, then `[DONE]`; where a chunk cannot be had, an event with the error.

    Args:
        chunks: JSON objects; they end early where the client has left.
        attended: what the events are sent under, given the ASGI channel that tells whether the client is there.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[Mapping[str, Any], None],
        attended: Callable[[Receive], AbstractAsyncContextManager[None]],
    ) -> None:
        self._chunks = chunks
        self._attended = attended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response."""
        async with self._attended(receive), aclosing(self._chunks) as chunks:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            try:
                async for chunk in chunks:
                    await send(_event(json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))))
            except Exception:
                await send(_event(json.dumps(error_body(FAULT))))
                raise
            await send(_event("[DONE]", more=False))


def _event(data: str, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": more}
