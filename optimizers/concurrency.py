"""Doing many things at once, a bounded number at a time; and one thread where numbers must be the same everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import gravest

__all__ = ["in_turn", "one_thread"]


async def in_turn(work: Iterable[Coroutine[Any, Any, None]], at_once: int) -> None:
    """Awaits all of the work; what comes first is begun first, `at_once` are in progress.

    Work is made when its turn comes, so that there may be much of it. The first that fails cancels what is in progress,
    and nothing further is begun.

    Raises:
        Exception: of a failure; of several at the same time the gravest, see `gravest`.
    """
    waiting = iter(work)

    async def worker() -> None:
        for each in waiting:
            await each

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except ExceptionGroup as problems:
        raise gravest(problems) from problems


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps BLAS and OpenMP to one thread within the block, so that what is fitted is the same on every machine.

    Sums that are divided among threads differ in their last digits from machine to machine, and even from run to run.
    Tables of a few thousand rows are no work to divide either: where other processes want the cores, threads that wait
    for each other take longer than one alone.
    """
    import sklearn.utils._openmp_helpers  # noqa: F401  loads the libraries, or there would be nothing to limit
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
