from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import CapReached, ToolBreach
from apportion.models.fees import spend
from apportion.models.metered import Meter
from apportion.records import Amount, Limit, Unit
from apportion.records.usage import ZERO


class Desk:
    """An account with a limit, and a meter on it."""

    def __init__(self, limit: int, unit: Unit = "usd") -> None:
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, "test")
        self.ledger.open("batch", limit=Limit(unit, limit))
        self.meter = Meter("batch", "run", "span")

    async def pay(self, most: int, cost: int | None) -> str:
        async def work() -> tuple[str, int | None]:
            await asyncio.sleep(0)
            return "done", cost

        return await spend(self.ledger, self.meter, "search", most, work)

    @property
    def booked(self) -> tuple[int, int]:
        balance = self.store.balance("batch")
        assert (balance.charged, balance.lost) == (self.meter.charged, self.meter.lost)
        assert balance.reserved == ZERO
        return balance.charged.usd, balance.lost.usd


@pytest.mark.parametrize(("cost", "booked"), [(0, (0, 0)), (3, (3, 0)), (10, (10, 0)), (None, (0, 10))])
def test_what_it_cost_is_charged_and_what_nobody_knows_is_lost(cost: int | None, booked: tuple[int, int]) -> None:
    desk = Desk(10)
    assert asyncio.run(desk.pay(10, cost)) == "done"
    assert desk.booked == booked


def test_what_does_not_fit_is_not_begun() -> None:
    desk = Desk(9)
    with pytest.raises(CapReached):
        asyncio.run(desk.pay(10, 0))
    assert desk.booked == (0, 0)


def test_a_breach_is_booked_in_full() -> None:
    desk = Desk(10)
    with pytest.raises(ToolBreach, match=r"'search' said that a call cost 1.2e-08 USD") as error:
        asyncio.run(desk.pay(10, 12))
    assert (error.value.model, error.value.reserved, error.value.reported) == ("search", 10, 12)
    assert desk.booked == (12, 0)


def test_work_that_raises_or_is_cancelled_loses_what_was_reserved() -> None:
    desk = Desk(30)

    async def fail() -> tuple[str, int]:
        raise OSError("away")

    async def story() -> None:
        with pytest.raises(OSError, match="away"):
            await spend(desk.ledger, desk.meter, "search", 10, fail)
        begun = asyncio.Event()

        async def hang() -> tuple[str, int]:
            begun.set()
            await asyncio.sleep(60)
            return "late", 0

        task = asyncio.ensure_future(spend(desk.ledger, desk.meter, "search", 10, hang))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert desk.booked == (0, 20)


def test_under_a_cap_in_tokens_it_is_counted_and_not_limited() -> None:
    desk = Desk(1, "tokens")
    asyncio.run(desk.pay(10**15, 10**15))
    assert desk.booked == (10**15, 0)
    assert desk.meter.charged == Amount(usd=10**15)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 100)), max_size=12), st.integers(0, 200))
def test_the_cap_holds_whatever_is_paid_at_once(payments: list[tuple[int, int]], limit: int) -> None:
    """Each payment costs a share of its bound in percent."""
    desk = Desk(limit)

    async def story() -> None:
        work = (desk.pay(most, most * share // 100) for most, share in payments)
        await asyncio.gather(*work, return_exceptions=True)

    asyncio.run(story())
    charged, lost = desk.booked
    assert charged + lost <= limit
    assert sum(most for most, _ in payments) > limit or charged == sum(most * share // 100 for most, share in payments)
