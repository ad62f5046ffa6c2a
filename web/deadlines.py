"""Connections that do not keep others waiting."""

from __future__ import annotations

import asyncio
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["DeadlineProtocol", "with_deadline"]


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 of which each request has to be there, and each response to be taken, within a time.

    uvicorn itself only closes connections that idle between two requests. A connection that is late is closed; what was
    begun for it ends as for any client that left.
    """

    seconds: float = 30.0
    """From the first byte of a request to its last, from a new connection to its first request, and for a response
    while the client takes nothing."""

    _request: asyncio.TimerHandle | None = None
    _response: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._request = self._limit()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._response = self._response or self._limit()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        _cancel(self._response)
        self._response = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._request)
        _cancel(self._response)
        super().connection_lost(exc)

    def _look(self) -> None:
        """Whether part of a request is there and part is missing; more of it does not make the time longer."""
        state = self.conn.their_state
        if state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0]):
            self._request = self._request or self._limit()
        else:
            _cancel(self._request)
            self._request = None

    def _limit(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.seconds, self._abort)

    def _abort(self) -> None:
        self.transport.abort()


def with_deadline(seconds: float) -> type[asyncio.Protocol]:
    """The protocol with another time."""
    return cast(type[asyncio.Protocol], type("DeadlineProtocol", (DeadlineProtocol,), {"seconds": seconds}))


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
