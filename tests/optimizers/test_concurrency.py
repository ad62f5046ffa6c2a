from __future__ import annotations

import asyncio

import pytest
from threadpoolctl import threadpool_info

from apportion.optimizers.concurrency import in_turn, one_thread


def threads() -> dict[str, int]:
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


def test_fits_run_on_one_thread_and_what_follows_on_as_many_as_before() -> None:
    with one_thread():
        first = threads()
        with one_thread():
            pass
        assert threads() == first
    before = threads()
    with one_thread():
        within = threads()
    assert within
    assert set(within.values()) == {1}
    assert threads() == before


def test_work_is_begun_in_turn_and_not_after_a_failure() -> None:
    begun: list[int] = []
    at_once = most = 0

    async def work(number: int) -> None:
        nonlocal at_once, most
        begun.append(number)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        if number == 5:
            raise ValueError(number)

    asyncio.run(in_turn((work(number) for number in range(5)), 2))
    assert (begun, most) == ([0, 1, 2, 3, 4], 2)
    with pytest.raises(ValueError, match="5"):
        asyncio.run(in_turn((work(number) for number in (5, *range(10, 30))), 2))
    assert len(begun) < 10
