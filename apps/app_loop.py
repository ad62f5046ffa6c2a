"""An event loop for apps, on a thread of its own: an app that blocks it holds up apps and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["AppLoop"]

_LAST_SECONDS = 5.0
"""How long what was cancelled may take to end."""


class _Steps(ThreadPoolExecutor):
    """A thread for each sync step within an async app, such as a sync node of a LangGraph graph.

    A step waits for its calls in its thread, so that a pool of few would be full of those that wait; and it may never
    return, so that neither the loop nor the program waits for it at the end.
    """

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is for whoever waits
                future.set_exception(error)

        threading.Thread(target=work, name="apportion-app-step", daemon=True).start()
        return future


class AppLoop:
    """Runs coroutines until it is closed; it may be used from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(_Steps())
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
