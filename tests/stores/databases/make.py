"""Makes the database of the present schema that later versions must be able to open.

    python tests/stores/databases/make.py

Run it once for each released schema, and commit the file; never make one again.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    FactRow,
    Limit,
    PartRow,
    PlanRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TrialRow,
)
from apportion.stores import open_store
from apportion.stores.migrations import VERSION


def main() -> None:
    """Writes `schemaN.sqlite` beside this file."""
    here = Path(__file__).parent
    rows = _rows(here.parent / "conftest.py")
    path = here / f"schema{VERSION}.sqlite"
    if path.exists():
        raise SystemExit(f"{path} exists")
    with open_store(path) as store:
        store.open_account(AccountRow("study", None, Limit("tokens", 1000), "paid", "first"))
        store.open_account(AccountRow("account", "study", Limit("usd", 500)))

        async def call() -> None:
            await store.reserve(Reservation("reservation", "account", Amount(90, 180, 270), store.owner))
            await store.reserve(Reservation("lost", "account", Amount(7), store.owner))

        asyncio.run(call())
        made: CallRow = rows[CallRow]
        reply = StoredReply(made.request_key, '{"text":"36"}', made.charged)
        store.settle(Settlement("reservation", charged=made.charged), made, reply)
        store.settle(Settlement("lost", lost=Amount(7)))
        for kind in (SpanRow, RunRow, TaskRow, PlanRow, TrialRow, StudyRow, FactRow, PartRow):
            store.record(rows[kind])
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        # Nothing of the machine that it was made on.
        connection.execute("UPDATE owner SET host = 'here', process_id = 1, process_started = '1'")
        connection.execute("PRAGMA journal_mode = DELETE")


def _rows(path: Path) -> dict[type, Any]:
    spec = importlib.util.spec_from_file_location("rows", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[type, Any] = module.ROWS
    return found


if __name__ == "__main__":
    main()
