from __future__ import annotations

import asyncio
import gc
import itertools

from apportion.models.event_loops import PerLoop


def test_a_loop_has_one_value_and_another_loop_another() -> None:
    numbers = itertools.count(1)
    values = PerLoop(lambda: next(numbers))

    async def twice() -> tuple[int, int]:
        return values.get(), values.get()

    assert [asyncio.run(twice()) for _ in range(2)] == [(1, 1), (2, 2)]


def test_pop_forgets() -> None:
    values = PerLoop(object)

    async def run() -> None:
        first = values.get()
        assert values.pop() is first
        assert values.pop() is None
        assert values.get() is not first

    asyncio.run(run())


def test_values_go_with_their_loops() -> None:
    values: PerLoop[object] = PerLoop(object)

    async def use() -> None:
        values.get()

    for _ in range(3):
        asyncio.run(use())
    gc.collect()
    assert len(values._values) == 0
