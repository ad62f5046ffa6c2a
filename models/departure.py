"""When a request leaves this process, as the connection that carries it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .openai_client import http

__all__ = ["Departure", "announces", "departure", "leave", "trace_departure"]

_SENDING = ("http11.send_request_headers.started", "http2.send_request_headers.started")


class Departure:
    """The departure of one request: after a connection was found or made, before the first byte of it is written.

    Args:
        announce: called then, once; where it raises, the request must not leave.
    """

    def __init__(self, announce: Callable[[], None] | None = None) -> None:
        self._announce = announce
        self.left = False
        """Whether it may have left; until then nobody can bill it."""

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Within the block this task sends the request."""
        token = _DEPARTURE.set(self)
        try:
            yield
        finally:
            _DEPARTURE.reset(token)

    def leave(self) -> None:
        """Announces it."""
        if not self.left:
            if self._announce is not None:
                self._announce()
            self.left = True


_DEPARTURE: ContextVar[Departure | None] = ContextVar("apportion_departure", default=None)
"""By context, because client libraries hand nothing of a caller's through to their connections."""


def announces(model: object) -> bool:
    """Whether a model says when a request leaves, with `leave`; of others, a call counts as sent once it is made."""
    return bool(getattr(model, "announces", False))


@contextmanager
def departure() -> Iterator[Departure]:
    """What is expected of this task, or a departure that nobody waits for."""
    found = _DEPARTURE.get()
    if found is not None:
        yield found
        return
    own = Departure()
    with own.expected():
        yield own


def leave() -> None:
    """Says that the request which this task sends leaves now; a model that holds calls back calls it."""
    found = _DEPARTURE.get()
    if found is not None:
        found.leave()


async def trace_departure(request: http.Request) -> None:
    """A request hook for clients on a transport of their own library, so that they call `leave`."""
    request.extensions["trace"] = _trace


async def _trace(event: str, _: dict[str, Any]) -> None:
    if event in _SENDING:
        leave()
