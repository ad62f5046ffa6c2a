from __future__ import annotations

import asyncio
import threading

import pytest

from apportion.models.flights import Flights


def test_the_second_waits_for_the_end_of_the_first() -> None:
    flights = Flights()

    async def story() -> list[str]:
        order: list[str] = []

        async def fly(name: str) -> None:
            while not await flights.begin("key"):
                order.append(f"{name} waited")
            await asyncio.sleep(0)
            order.append(name)
            flights.end("key")

        await asyncio.gather(fly("first"), fly("second"))
        return order

    assert asyncio.run(story()) == ["first", "second waited", "second"]
    assert len(flights) == 0


def test_other_keys_do_not_wait() -> None:
    flights = Flights()

    async def story() -> None:
        assert await flights.begin("one")
        assert await flights.begin("other")

    asyncio.run(story())


def test_a_cancelled_wait_leaves_the_flight_as_it_is() -> None:
    flights = Flights()

    async def story() -> None:
        assert await flights.begin("key")
        waiting = asyncio.create_task(flights.begin("key"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(flights) == 1
        flights.end("key")

    asyncio.run(story())


def test_of_many_threads_one_flies_at_a_time() -> None:
    flights = Flights()
    flying: list[int] = []
    most: list[int] = []

    async def fly() -> None:
        for _ in range(20):
            while not await flights.begin("key"):
                pass
            flying.append(1)
            most.append(len(flying))
            await asyncio.sleep(0)
            flying.pop()
            flights.end("key")

    threads = [threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(fly(), 30))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80
