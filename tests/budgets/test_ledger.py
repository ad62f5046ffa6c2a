from __future__ import annotations

import asyncio

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import CapReached
from apportion.records import Amount, Limit, Reservation, Settlement


def ledger(limit: int) -> Ledger:
    ledger = Ledger(MemoryStore(), "test")
    ledger.open("batch", limit=Limit("tokens", limit))
    return ledger


def test_waits_for_a_call_in_flight_to_give_room_back() -> None:
    async def story() -> None:
        books = ledger(100)
        first = await books.reserve("batch", Amount(tokens=80))
        second = asyncio.create_task(books.reserve("batch", Amount(tokens=60)))
        await asyncio.sleep(0)
        assert not second.done()
        books.settle(Settlement(first, charged=Amount(tokens=10)))
        await asyncio.wait_for(second, 5)
        assert books.balance("batch").reserved == Amount(tokens=60)

    asyncio.run(story())


def test_does_not_wait_where_release_cannot_help() -> None:
    async def story() -> None:
        books = ledger(100)
        await books.reserve("batch", Amount(tokens=50))
        with pytest.raises(CapReached, match="has 50 left, the call needs 101"):
            await books.reserve("batch", Amount(tokens=101))

    asyncio.run(story())


def test_does_not_wait_for_a_held_allowance() -> None:
    async def story() -> None:
        books = ledger(100)
        await books.hold("batch", Amount(tokens=50))
        with pytest.raises(CapReached):
            await books.reserve("batch", Amount(tokens=60))

    asyncio.run(story())


def test_an_allowance_waits_for_those_of_other_runs() -> None:
    async def story() -> None:
        books = ledger(100)
        first = await books.hold("batch", Amount(tokens=60))
        second = asyncio.create_task(books.hold("batch", Amount(tokens=60)))
        await asyncio.sleep(0.01)
        assert not second.done()
        books.release(first)
        await asyncio.wait_for(second, 5)

    asyncio.run(story())


def test_an_allowance_that_can_never_fit_does_not_wait() -> None:
    async def story() -> None:
        books = ledger(100)
        await books.hold("batch", Amount(tokens=60))
        with pytest.raises(CapReached):
            await books.hold("batch", Amount(tokens=101))

    asyncio.run(story())


def test_an_allowance_gives_its_room_to_the_call_that_replaces_it() -> None:
    async def story() -> None:
        books = ledger(100)
        allowance = await books.hold("batch", Amount(tokens=50))
        await books.reserve("batch", Amount(tokens=50))
        await books.reserve("batch", Amount(tokens=50), replaces=allowance)
        assert books.balance("batch").reserved == Amount(tokens=100)

    asyncio.run(story())


def test_release_frees_everything() -> None:
    async def story() -> None:
        books = ledger(100)
        books.release(await books.reserve("batch", Amount(tokens=100)))
        assert books.balance("batch").reserved == Amount()
        await books.reserve("batch", Amount(tokens=100))

    asyncio.run(story())


class _SlowBooks(MemoryStore):
    """Commits first and answers later, as a store does."""

    async def reserve(self, reservation: Reservation) -> None:
        await super().reserve(reservation)
        await asyncio.sleep(60)


def test_a_caller_cancelled_after_the_commit_leaves_nothing_reserved() -> None:
    async def story() -> None:
        books = Ledger(_SlowBooks(), "test")
        books.open("batch", limit=Limit("tokens", 100))
        waiting = asyncio.create_task(books.reserve("batch", Amount(tokens=80)))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert books.balance("batch").reserved == Amount()

    asyncio.run(story())
