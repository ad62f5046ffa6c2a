from __future__ import annotations

import asyncio

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import CapReached
from apportion.records import Amount, Balance, Limit, Reservation, Settlement


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


def test_waits_for_what_just_fits_when_all_is_given_back() -> None:
    async def story() -> None:
        books = ledger(100)
        first = await books.reserve("batch", Amount(tokens=80))
        second = asyncio.create_task(books.reserve("batch", Amount(tokens=100)))
        await asyncio.sleep(0)
        assert not second.done()
        books.release(first)
        await asyncio.wait_for(second, 30)

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
            await asyncio.wait_for(books.reserve("batch", Amount(tokens=60)), 10)

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


def test_nothing_overtakes_what_waits_on_the_same_account() -> None:
    books = ledger(100)
    order: list[str] = []

    async def take(name: str, tokens: int) -> None:
        reservation_id = await books.reserve("batch", Amount(tokens))
        order.append(name)
        await asyncio.sleep(0.01)
        books.settle(Settlement(reservation_id, charged=Amount(5)))

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            for name, tokens in (("first", 80), ("large", 60), ("small", 10), ("cancelled", 10), ("last", 10)):
                task = group.create_task(take(name, tokens))
                if name == "cancelled":
                    asyncio.get_running_loop().call_later(0.005, task.cancel)

    asyncio.run(asyncio.wait_for(story(), 30))
    assert order == ["first", "large", "small", "last"]
    assert books.balance("batch") == Balance(charged=Amount(20), paid=Amount(20))


def test_who_can_never_fit_does_not_keep_the_line_waiting() -> None:
    books = ledger(100)

    async def story() -> list[object]:
        held = await books.reserve("batch", Amount(80))
        asyncio.get_running_loop().call_later(0.01, books.settle, Settlement(held, lost=Amount(80)))
        waiting = (books.reserve("batch", Amount(tokens)) for tokens in (90, 30, 20))
        return list(await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 30))

    outcomes = asyncio.run(story())
    assert [type(outcome) for outcome in outcomes] == [CapReached, CapReached, str]


def test_an_allowance_that_waits_keeps_no_call_waiting() -> None:
    async def story() -> None:
        books = ledger(100)
        held = await books.hold("batch", Amount(60))
        waiting = asyncio.create_task(books.hold("batch", Amount(60)))
        await asyncio.sleep(0.01)
        call = await asyncio.wait_for(books.reserve("batch", Amount(40)), 5)
        books.release(call)
        books.release(held)
        await asyncio.wait_for(waiting, 5)

    asyncio.run(story())
