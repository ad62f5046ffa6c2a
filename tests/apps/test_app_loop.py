from __future__ import annotations

import asyncio
import threading

import pytest

from apportion.apps.app_loop import AppLoop


def test_coroutines_run_beside_the_loop_that_waits_for_them() -> None:
    async def where() -> int:
        return threading.get_ident()

    async def main() -> tuple[int, int]:
        loop = AppLoop()
        try:
            return await loop.run(where()), threading.get_ident()
        finally:
            loop.close()

    there, here = asyncio.run(main())
    assert there != here


def test_what_is_raised_comes_back() -> None:
    async def fails() -> None:
        raise LookupError("not here")

    async def main() -> None:
        loop = AppLoop()
        try:
            await loop.run(fails())
        finally:
            loop.close()

    with pytest.raises(LookupError, match="not here"):
        asyncio.run(main())


def test_who_stops_waiting_cancels_and_closing_cancels_the_rest() -> None:
    ended: list[str] = []

    async def hangs(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async def main() -> None:
        loop = AppLoop()
        waiting = [asyncio.create_task(loop.run(hangs(name))) for name in ("first", "second")]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        await asyncio.sleep(0.05)
        assert ended == ["first"]
        loop.close()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(main())
    assert ended == ["first", "second"]


def test_many_blocking_steps_run_at_once() -> None:
    barrier = threading.Barrier(40, timeout=20)

    async def steps() -> None:
        await asyncio.gather(*(asyncio.to_thread(barrier.wait) for _ in range(40)))

    async def main() -> None:
        loop = AppLoop()
        try:
            await loop.run(steps())
        finally:
            loop.close()

    asyncio.run(main())


def test_a_step_that_never_returns_holds_up_nothing() -> None:
    go = threading.Event()

    async def steps() -> str:
        try:
            await asyncio.wait_for(asyncio.to_thread(go.wait), 0.05)
        except TimeoutError:
            return "given up"
        return "done"

    async def main() -> str:
        loop = AppLoop()
        try:
            return str(await loop.run(steps()))
        finally:
            loop.close()

    assert asyncio.run(main()) == "given up"
    go.set()
