"""An event loop for apps, on a thread of its own: an app that blocks it holds up apps and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["AppLoop"]

_THREADS = 256
"""Of sync steps within async apps, such as the sync nodes of a LangGraph graph, which wait for their calls in them."""


class AppLoop:
    """Runs coroutines until it is closed; it may be used from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, "apportion-app-step"))
        self._thread = threading.Thread(target=self._run, name="apportion-app", daemon=True)
        self._thread.start()

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine returns or raises; who stops waiting cancels it."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Cancels what runs, and ends the loop; a step in a thread goes on to its end."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left, timeout=_LAST_SECONDS))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


_LAST_SECONDS = 5.0
"""How long what was cancelled may take to end."""
