"""Threads for functions that may never return: they hold up neither the event loop nor the end of the program."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
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
        self._changed = threading.Condition()
        """Guards all that follows, so that no thread is taken for free that has a job."""
        self._jobs: deque[_Job | None] = deque()
        self._started = 0
        self._free = 0
        """Threads that wait for a job or have yet to look for their first."""

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises; who stops waiting leaves it running, or unbegun where it waited."""
        context = copy_context()
        future: Future[tuple[Any, BaseException | None]] = Future()
        self._put((future, lambda: context.run(function, *arguments)))
        result, error = await asyncio.wrap_future(future)
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Lets the threads end, each when its function has returned."""
        with self._changed:
            self._jobs.extend([None] * self._started)
            self._changed.notify_all()

    def _put(self, job: _Job) -> None:
        """Leaves a job to a thread that is free of the others too, or to a new one while there may be more."""
        with self._changed:
            if len(self._jobs) >= self._free and self._started < self._most:
                threading.Thread(target=self._work, name="apportion-function", daemon=True).start()
                self._started += 1
                self._free += 1
            self._jobs.append(job)
            self._changed.notify()

    def _work(self) -> None:
        job = self._next()
        while job is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                future.set_result(_outcome(call))
            del job, future, call  # what they hold should not wait for the next job
            with self._changed:
                self._free += 1
            job = self._next()

    def _next(self) -> _Job | None:
        """The next job, for a thread that is free."""
        with self._changed:
            while not self._jobs:
                self._changed.wait()
            self._free -= 1
            return self._jobs.popleft()


def _outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What it returns or raises, as a value: a future refuses some exceptions, such as StopIteration."""
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a function must not end its thread unheard
        return None, error
