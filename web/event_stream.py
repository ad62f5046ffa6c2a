"""A response of server-sent events, as OpenAI's clients read them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from .app import unless_gone
from .refusal import FAULT, Refusal, error_body

__all__ = ["DONE", "EventStream", "event"]

DONE = "[DONE]"
"""The last event of a stream that has come to its end."""

_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


class EventStream:
    """One event for each chunk, then `[DONE]`; where a chunk cannot be had, an event with the error.

    The first chunk is waited for before the response begins, so that what fails before it is answered as any failure.
    When the client leaves, the chunks are closed.

    Args:
        chunks: JSON objects.
        attended: what the events are sent under.
        headers: further ones of the response.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[Mapping[str, Any], None],
        attended: AbstractAsyncContextManager[None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._chunks = chunks
        self._attended = nullcontext() if attended is None else attended
        self._headers = {**_HEADERS, **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response."""
        async with self._attended:
            await unless_gone(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._chunks) as chunks:
            first = await anext(chunks, None)
            headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                if first is not None:
                    await send(_body(first))
                async for chunk in chunks:
                    await send(_body(chunk))
            except Refusal as refusal:
                await send(_body(error_body(refusal), more=False))
                return
            except Exception:
                await send(_body(error_body(FAULT)))
                raise
            await send(_body(DONE, more=False))


def event(content: Mapping[str, Any] | str) -> bytes:
    """A JSON object or a word as an event."""
    return f"data: {content if isinstance(content, str) else _text(content)}\n\n".encode(errors="replace")


def _body(content: Mapping[str, Any] | str, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": event(content), "more_body": more}
