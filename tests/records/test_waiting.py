from __future__ import annotations

import asyncio
import threading

from apportion.records.waiting import Waiting


def test_all_who_wait_are_told_from_another_thread() -> None:
    waiting = Waiting()

    async def story() -> None:
        waits = [asyncio.create_task(waiting.wait(30)) for _ in range(3)]
        await asyncio.sleep(0)
        threading.Thread(target=waiting.tell).start()
        await asyncio.wait_for(asyncio.gather(*waits), 10)

    asyncio.run(story())


def test_who_waits_no_longer_is_forgotten() -> None:
    waiting = Waiting()

    async def story() -> None:
        await waiting.wait(0.001)
        cancelled = asyncio.create_task(waiting.wait())
        await asyncio.sleep(0)
        assert len(waiting) == 1
        cancelled.cancel()
        await asyncio.wait({cancelled})

    asyncio.run(story())
    assert len(waiting) == 0


def test_a_loop_that_is_closed_has_nobody_left_who_waits() -> None:
    waiting = Waiting()

    async def join() -> None:
        waiting.join()

    asyncio.run(join())
    waiting.tell()
    assert len(waiting) == 0
