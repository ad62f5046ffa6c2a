from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apportion.budgets.memory import MemoryLedger
from apportion.errors import UnknownName
from apportion.records import AccountRow, Amount, Balance, LedgerBackend, Reservation, Settlement
from apportion.testing.ledger import LedgerConformance


class TestMemoryLedger(LedgerConformance):
    @contextmanager
    def open_ledger(self, folder: Path) -> Iterator[LedgerBackend]:
        yield MemoryLedger()


def test_a_closed_account_is_forgotten() -> None:
    ledger = MemoryLedger()
    ledger.open_account(AccountRow("a"))
    ledger.close_account("a")
    with pytest.raises(UnknownName):
        ledger.balance("a")


def test_a_call_in_flight_settles_after_its_account_was_closed() -> None:
    ledger = MemoryLedger()
    ledger.open_account(AccountRow("batch"))
    ledger.open_account(AccountRow("run", "batch"))
    ledger.reserve_now(Reservation("r", "run", Amount(10), "test"))
    ledger.close_account("run")
    with pytest.raises(UnknownName):
        ledger.reserve_now(Reservation("s", "run", Amount(10), "test"))
    assert ledger.settled(Settlement("r", lost=Amount(10)))
    assert ledger.balance("batch") == Balance(lost=Amount(10), paid=Amount(10))


def test_a_call_cannot_be_replaced_like_an_allowance() -> None:
    ledger = MemoryLedger()
    ledger.open_account(AccountRow("a"))
    ledger.reserve_now(Reservation("call", "a", Amount(10), "test"))
    with pytest.raises(UnknownName):
        ledger.reserve_now(Reservation("r", "a", Amount(10), "test", replaces="call"))
    assert ledger.balance("a").reserved == Amount(10)


def test_a_cached_reservation_that_is_lost_is_not_paid() -> None:
    ledger = MemoryLedger()
    ledger.open_account(AccountRow("a"))
    ledger.reserve_now(Reservation("r", "a", Amount(10), "test", cached=True))
    ledger.settle(Settlement("r", lost=Amount(10)))
    assert ledger.balance("a") == Balance(lost=Amount(10))
