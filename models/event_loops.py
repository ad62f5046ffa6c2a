"""Values that belong to an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["PerLoop"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value per event loop, made on first use and forgotten with the loop.

    Connections and semaphores work only in the loop that they were made in, while a model may be used from several:
    one `asyncio.run` after another, or one loop per thread.

    Args:
        make: makes the value for the running loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self) -> T:
        """The running loop's value."""
        loop = asyncio.get_running_loop()
        with self._lock:
            value = self._values.get(loop)
            if value is None:
                value = self._values[loop] = self._make()
            return value

    def pop(self) -> T | None:
        """Forgets the running loop's value, and returns it where there was one."""
        with self._lock:
            return self._values.pop(asyncio.get_running_loop(), None)
