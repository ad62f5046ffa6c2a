from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from apportion.graphs.portal import run_sync


def test_errors_pass_through_the_portal() -> None:
    async def fail(reason: str) -> None:
        raise ValueError(reason)

    with pytest.raises(ValueError, match="on purpose"):
        run_sync(fail, "on purpose")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what runs in its background with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_and_waits() -> None:
    """What the function settles on its way out is settled before control returns."""
    settled = []

    async def hang() -> None:
        try:
            threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            await asyncio.sleep(60)
        finally:
            settled.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_sync(hang)
    assert settled == [True]


def test_a_running_loop_is_no_obstacle() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def cell() -> int:
        return run_sync(double, 21)

    assert asyncio.run(cell()) == 42
