from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apportion.budgets.memory import MemoryLedger
from apportion.errors import UnknownName
from apportion.records import AccountRow, LedgerBackend
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
