"""Work in several processes, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

__all__ = ["in_processes"]

Job = TypeVar("Job")
Done = TypeVar("Done")


def in_processes(work: Callable[[Job], Done], jobs: Sequence[Job], processes: int) -> Iterator[Done]:
    """What comes of each job, in their order; in this process where one is enough.

    The processes end with this one, however it ends, and not only when they are done with what they are at.

    Args:
        work: a function at the top of a module, or a `partial` of one.
        jobs: values that can be sent to another process.
        processes: how many jobs are done at once.
    """
    if processes == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    spawned = partial(ProcessPoolExecutor, mp_context=context, initializer=_end_with_parent)
    with _one_thread_each(), spawned(min(processes, len(jobs))) as pool:
        yield from pool.map(work, jobs)


def _end_with_parent() -> None:
    """Watches over the process that started this one."""
    threading.Thread(target=_wait_for_end_of_parent, daemon=True).start()


def _wait_for_end_of_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile compute with one thread each; more would only wait for each other."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
