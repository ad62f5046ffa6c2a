"""Waiting for an event of another task, thread or event loop."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["Waiting"]


class Waiting:
    """Those who wait for one event; they may be in several event loops, and it may happen in any thread."""

    def __init__(self) -> None:
        self._futures: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._futures)

    def join(self) -> asyncio.Future[None]:
        """A future of the running loop that is done at the next `tell`; `leave` it where the wait ends before."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._futures[told] = loop
        return told

    def leave(self, told: asyncio.Future[None]) -> None:
        """Ends a wait, whether it was told or not."""
        with self._lock:
            self._futures.pop(told, None)
        told.cancel()

    async def wait(self, seconds: float | None = None) -> bool:
        """Returns True at the next `tell`, or False after `seconds`."""
        told = self.join()
        try:
            done, _ = await asyncio.wait({told}, timeout=seconds)
            return bool(done)
        finally:
            self.leave(told)

    def tell(self) -> None:
        """Wakes all who wait. Called from any thread."""
        with self._lock:
            waiting, self._futures = self._futures, {}
        for told, loop in waiting.items():
            try:
                loop.call_soon_threadsafe(_wake, told)
            except RuntimeError:
                # A loop that is closed has nobody left who waits.
                if not loop.is_closed():
                    raise


def _wake(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
