"""Equal requests in progress, which are sent once."""

from __future__ import annotations

import asyncio
import threading

from ..records.waiting import Waiting

__all__ = ["Flights"]


class Flights:
    """Requests in progress by their key, whatever event loops and threads they come from."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    async def begin(self, key: str) -> bool:
        """Begins a flight, which must be ended. Where one is in progress, waits for its end and returns False."""
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = Waiting()
                return True
            ended = waiting.join()
        try:
            await asyncio.wait({ended})
        finally:
            waiting.leave(ended)
        return False

    def end(self, key: str) -> None:
        """Ends the flight of a key, whatever came of it."""
        with self._lock:
            waiting = self._waiting.pop(key)
        waiting.tell()
