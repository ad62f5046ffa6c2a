from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from apportion.nodes.daemon_threads import DaemonThreads
from apportion.nodes.user_calls import Returned, called, first_line
from apportion.records.status import Status


def call(function: Any, *arguments: Any, seconds: float = 5.0) -> Returned:
    threads = DaemonThreads(2)
    try:
        return asyncio.run(called(function, arguments, threads, seconds))
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


class Panic(BaseException):
    """As what is written in Rust raises."""


def panic(number: int) -> int:
    raise Panic("a bug in Rust")


async def panic_later(number: int) -> int:
    raise Panic("a bug in Rust")


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def fail(number: int) -> None:
    raise LookupError("no such thing\nSELECT")


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        (lambda number: number, Returned(3)),
        (later, Returned(3)),
        (lambda number: later(number), Returned(3)),
        (fail, Returned(status=Status.TOOL_ERROR, reason="LookupError: no such thing")),
        (sys.exit, Returned(status=Status.TOOL_ERROR, reason="SystemExit: 3")),
        (panic, Returned(status=Status.TOOL_ERROR, reason="Panic: a bug in Rust")),
        (panic_later, Returned(status=Status.TOOL_ERROR, reason="Panic: a bug in Rust")),
        (never, Returned(status=Status.TIMEOUT)),
        (stubborn, Returned(status=Status.TIMEOUT)),
    ],
)
def test_whatever_a_function_does_is_an_outcome(function: Any, outcome: Returned) -> None:
    assert call(function, 3, seconds=0.2 if outcome.status is Status.TIMEOUT else 5.0) == outcome


def test_an_exception_whose_text_cannot_be_written_is_named() -> None:
    assert first_line(Silent()) == "Silent: its own text cannot be written"
