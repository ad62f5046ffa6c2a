from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apportion.records import LedgerBackend
from apportion.stores import open_store
from apportion.testing.ledger import LedgerConformance


class TestLedger(LedgerConformance):
    @contextmanager
    def open_ledger(self, folder: Path) -> Iterator[LedgerBackend]:
        with open_store(folder / "books.db", durable=True) as store:
            yield store
