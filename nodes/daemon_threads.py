"""Threads for functions that may never return: they hold up neither the event loop nor the end of the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["DaemonThreads"]

_Job = tuple[Future[tuple[Any, BaseException | None]], Callable[[], Any]]


class DaemonThreads:
    """Runs functions in threads that are kept for the next ones.

    The threads of `asyncio.to_thread` are waited for when the loop and the program end, so that one function that never
    returns would keep both; these are not.

    Args:
        most: of threads at a time; what comes when all are busy waits for one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises; who stops waiting leaves it running, or unbegun where it waited."""
        context = copy_context()
        future: Future[tuple[Any, BaseException | None]] = Future()
        self._jobs.put((future, lambda: context.run(function, *arguments)))
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name="apportion-function", daemon=True).start()
        result, error = await asyncio.wrap_future(future)
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Lets the threads end, each when its function has returned."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                future.set_result(_outcome(call))
            del job, future, call  # what they hold should not wait for the next job

    def _next(self) -> _Job | None:
        try:
            return self._jobs.get_nowait()
        except Empty:
            self._idle.release()  # only now, else a job would be left to a thread that has another one
            return self._jobs.get()


def _outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What it returns or raises, as a value: a future refuses some exceptions, such as StopIteration."""
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a function must not end its thread unheard
        return None, error
