"""Calls of functions of the user's own, which may hang, raise anything, or cancel themselves: always an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .callables import is_async, waited
from .daemon_threads import DaemonThreads

__all__ = ["MOST_THREADS", "TimedCall", "first_line", "timed_call"]

MOST_THREADS = 128
"""The most calls of one node at a time, those included that were given up and never returned."""
_REASON = 300
"""The most characters of an exception's first line that are kept."""


@dataclass(frozen=True, slots=True)
class TimedCall:
    """What came of a call."""

    value: Any = None
    error: str = ""
    """The exception's type and first line; empty where it returned."""
    timed_out: bool = False

    @property
    def returned(self) -> bool:
        """Whether there is a value."""
        return not (self.error or self.timed_out)


async def timed_call(
    function: Callable[..., Any], arguments: tuple[Any, ...], threads: DaemonThreads, seconds: float
) -> TimedCall:
    """Calls a function, an asynchronous one in the loop and any other in a thread.

    A thread cannot be stopped: a function that is given up goes on to its end, and what it returns then is dropped.

    Args:
        function: of the user's own.
        arguments: by place.
        threads: of the node.
        seconds: after which it is given up.
    """
    call = asyncio.ensure_future(_outcome(function, arguments, threads))
    try:
        done, _ = await asyncio.wait({call}, timeout=seconds)
    except asyncio.CancelledError:
        call.cancel()
        raise
    if not done:
        call.cancel()  # and not waited for: who does not heed it would hold up the run
        call.add_done_callback(_dropped)
        return TimedCall(timed_out=True)
    if call.cancelled():
        return TimedCall(error="CancelledError: the function cancelled itself")
    value, error = call.result()
    return TimedCall(value) if error is None else TimedCall(error=first_line(error))


def first_line(error: BaseException) -> str:
    """The type of an exception and the first line of what it says."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - the exception is the user's too
        lines = ["its own text cannot be written"]
    return ": ".join((type(error).__name__, *(line[:_REASON] for line in lines[:1])))


async def _outcome(
    function: Callable[..., Any], arguments: tuple[Any, ...], threads: DaemonThreads
) -> tuple[Any, BaseException | None]:
    try:
        if is_async(function):
            return await function(*arguments), None
        return await waited(await threads.run(function, *arguments)), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a function of the user's may raise anything
        return None, error


def _dropped(call: asyncio.Future[Any]) -> None:
    """Looks at what came too late, so that the loop does not complain that nobody did."""
    if not call.cancelled():
        call.exception()
