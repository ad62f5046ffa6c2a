"""A response of server-sent events, as OpenAI's clients read them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from .app import unless_gone
from .events import DONE, event
from .refusal import FAULT, Refusal

__all__ = ["EventStream"]

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
                    await send(_message(first))
                async for chunk in chunks:
                    await send(_message(chunk))
            except Refusal as refusal:
                await send(_message(refusal, more=False))
                return
            except Exception:
                await send(_message(FAULT))
                raise
            await send(_message(DONE, more=False))


def _message(content: Mapping[str, Any] | Refusal | str, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": event(content), "more_body": more}
