from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from apportion.nodes.daemon_threads import DaemonThreads


def test_threads_are_kept_for_the_next_function() -> None:
    async def names() -> list[str]:
        threads = DaemonThreads(8)
        found = []
        for _ in range(20):
            found.append(await threads.run(lambda: str(threading.get_ident())))
            await asyncio.sleep(0.001)
        threads.close()
        return found

    found = asyncio.run(names())
    assert str(threading.get_ident()) not in found
    assert len(set(found)) <= 2


def test_functions_run_at_once_up_to_the_limit() -> None:
    async def most(limit: int, calls: int) -> int:
        threads, lock, running, highest = DaemonThreads(limit), threading.Lock(), 0, 0

        def work() -> None:
            nonlocal running, highest
            with lock:
                running += 1
                highest = max(highest, running)
            time.sleep(0.05)
            with lock:
                running -= 1

        await asyncio.gather(*(threads.run(work) for _ in range(calls)))
        threads.close()
        return highest

    assert asyncio.run(most(3, 9)) == 3
    assert asyncio.run(most(9, 3)) == 3


@pytest.mark.parametrize("error", [ValueError("bad"), StopIteration(3), SystemExit(4), GeneratorExit()])
def test_what_is_raised_arrives(error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def caught() -> object:
        threads = DaemonThreads(1)
        try:
            await threads.run(fail)
        except type(error) as found:
            return found
        except RuntimeError as found:  # what a coroutine makes of a StopIteration
            return found.__cause__
        finally:
            threads.close()
        return None

    assert asyncio.run(caught()) is error


def test_what_was_given_up_while_it_waited_never_begins() -> None:
    begun: list[int] = []

    async def given_up() -> None:
        threads, release = DaemonThreads(1), threading.Event()
        first = asyncio.ensure_future(threads.run(release.wait))
        second = asyncio.ensure_future(threads.run(begun.append, 2))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0)
        release.set()
        assert await first
        assert await threads.run(lambda: "next") == "next"
        threads.close()

    asyncio.run(given_up())
    assert begun == []


def test_a_function_that_never_returns_does_not_keep_the_program() -> None:
    code = """
import asyncio, threading
from apportion.nodes.daemon_threads import DaemonThreads

async def main():
    try:
        await asyncio.wait_for(DaemonThreads(1).run(threading.Event().wait), 0.05)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.returncode) == ("given up\n", 0), done.stderr


def test_none_waits_behind_calls_that_hang_while_there_may_be_more_threads() -> None:
    """Threads lose their turn between any two lines, as they may: none is then taken for free that has a job."""
    chance, file = random.Random(7), DaemonThreads.run.__code__.co_filename

    def slow(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != file:
            return None
        if event == "line" and chance.random() < 0.5:
            time.sleep(0.01)
        return slow

    async def begun(calls: int) -> int:
        threads, release, begun = DaemonThreads(calls), threading.Event(), []

        def hang() -> None:
            begun.append(1)
            release.wait(20)

        await threads.run(int)
        hanging = []
        for _ in range(calls):
            await asyncio.sleep(chance.random() * 0.05)
            hanging.append(asyncio.ensure_future(threads.run(hang)))
        for _ in range(100):
            if len(begun) < calls:
                await asyncio.sleep(0.1)
        count = len(begun)
        release.set()
        await asyncio.gather(*hanging)
        threads.close()
        return count

    async def all_begun() -> list[int]:
        return await asyncio.gather(*(begun(4) for _ in range(50)))

    before = threading.gettrace()
    threading.settrace(slow)
    try:
        assert asyncio.run(all_begun()) == [4] * 50
    finally:
        threading.settrace(before)
