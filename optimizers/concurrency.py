"""Doing many things at once, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from ..errors import BudgetBreach

__all__ = ["gravest", "in_turn"]


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


def gravest(problem: Exception) -> Exception:
    """Of a group, as tasks raise it, the one that callers are told of: a breach, else the first."""
    if not isinstance(problem, ExceptionGroup):
        return problem
    return min(map(gravest, problem.exceptions), key=lambda each: not isinstance(each, BudgetBreach))
