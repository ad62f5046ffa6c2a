"""Waiting until room is given back."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

from .operations import Reserve

__all__ = ["Releases"]

_SHORT_AT: ContextVar[tuple[Releases, int] | None] = ContextVar("apportion_short_at", default=None)
"""By context, because the wait may run in a task of its own, with a time limit."""


class Releases:
    """Those who wait for a settlement, and what they had seen when their reservation did not fit."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def note(self, operation: Reserve) -> None:
        """Remembers how many settlements there had been when a reservation of this task did not fit.

        Between that moment and its wait a settlement may pass that it would otherwise wait for in vain.
        """
        _SHORT_AT.set((self, operation.releases))

    def seen(self) -> int | None:
        """What was noted last for this task, or for the one that started it."""
        noted = _SHORT_AT.get()
        return noted[1] if noted is not None and noted[0] is self else None

    async def wait(self, seconds: float) -> bool:
        """Waits for a settlement of this process; False where there was none in time."""
        loop = asyncio.get_running_loop()
        released: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._waiting[released] = loop
        try:
            done, _ = await asyncio.wait({released}, timeout=seconds)
            return bool(done)
        finally:
            with self._lock:
                self._waiting.pop(released, None)
            released.cancel()

    def tell(self) -> None:
        """Wakes all who wait. Called from any thread."""
        with self._lock:
            waiting = list(self._waiting.items())
            self._waiting.clear()
        for released, loop in waiting:
            try:
                loop.call_soon_threadsafe(_wake, released)
            except RuntimeError:
                # A loop that is closed has nobody left who waits.
                if not loop.is_closed():
                    raise


def _wake(released: asyncio.Future[None]) -> None:
    if not released.done():
        released.set_result(None)
