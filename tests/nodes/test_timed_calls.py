from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from apportion.nodes.daemon_threads import DaemonThreads
from apportion.nodes.timed_calls import TimedCall, first_line, timed_call


def call(function: Any, *arguments: Any, seconds: float = 5.0) -> TimedCall:
    threads = DaemonThreads(2)
    try:
        return asyncio.run(timed_call(function, arguments, threads, seconds))
    finally:
        threads.close()


async def later(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def never(number: int) -> int:
    await asyncio.sleep(60)
    return number


async def stubborn(number: int) -> int:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("too late") from None
    return number


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def fail(number: int) -> None:
    raise LookupError("no such thing\nSELECT")


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        (lambda number: number, TimedCall(3)),
        (later, TimedCall(3)),
        (lambda number: later(number), TimedCall(3)),
        (fail, TimedCall(error="LookupError: no such thing")),
        (sys.exit, TimedCall(error="SystemExit: 3")),
        (never, TimedCall(timed_out=True)),
        (stubborn, TimedCall(timed_out=True)),
    ],
)
def test_whatever_a_function_does_is_an_outcome(function: Any, outcome: TimedCall) -> None:
    found = call(function, 3, seconds=0.2 if outcome.timed_out else 5.0)
    assert found == outcome
    assert found.returned is (outcome.value is not None)


def test_an_exception_whose_text_cannot_be_written_is_named() -> None:
    assert first_line(Silent()) == "Silent: its own text cannot be written"
