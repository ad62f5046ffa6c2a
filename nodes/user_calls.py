"""Calls of functions of the user's own, which may raise anything, return anything, or never return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..records.status import Status
from .callables import is_async, waited
from .daemon_threads import DaemonThreads

__all__ = ["Returned", "called", "first_line"]

_REASON = 300
"""The most characters of an exception's first line that are kept."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of a call: what it returned, or why it returned nothing."""

    value: Any = None
    status: Status = Status.OK
    """`tool_error` where it raised, `timeout` where it was not done in time."""
    reason: str = ""


async def called(
    function: Callable[..., Any], arguments: tuple[Any, ...], threads: DaemonThreads, seconds: float
) -> Returned:
    """Calls a function and waits so long for it; one that is not async runs in a thread, which cannot be stopped."""
    call = asyncio.ensure_future(_outcome(function, arguments, threads))
    try:
        done, _ = await asyncio.wait({call}, timeout=seconds)
    except asyncio.CancelledError:
        call.cancel()
        raise
    if not done:
        call.cancel()  # and not waited for: who does not heed it would hold up the run
        call.add_done_callback(_dropped)
        return Returned(status=Status.TIMEOUT)
    if call.cancelled():
        return Returned(status=Status.TOOL_ERROR, reason="CancelledError: the function cancelled itself")
    result, error = call.result()
    return Returned(result) if error is None else Returned(status=Status.TOOL_ERROR, reason=first_line(error))


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
    except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
        raise  # they are meant for the run
    except BaseException as error:  # noqa: BLE001 - a function of the user's may raise anything, as Rust's panics do
        return None, error


def _dropped(call: asyncio.Future[Any]) -> None:
    """Looks at what came too late, so that the loop does not complain that nobody did."""
    if not call.cancelled():
        call.exception()
