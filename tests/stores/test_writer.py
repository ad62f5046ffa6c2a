from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import StoreError, UnknownName
from apportion.records import (
    AccountRow,
    Amount,
    Balance,
    CallRow,
    Limit,
    Reservation,
    RunRow,
    Settlement,
    Short,
    SpanRow,
)
from apportion.stores import Store, open_store
from apportion.stores.writer import Writer


@pytest.fixture
def writer(store: Store) -> Writer:
    assert store._writer is not None
    return store._writer


def limit_pages(writer: Writer, pages: int) -> None:
    """A disk without room: the file may not grow past so many pages."""
    writer._driver.execute(f"PRAGMA max_page_count = {pages}")


async def hold(store: Store, name: str, tokens: int, account: str = "task") -> None:
    await store.reserve(Reservation(name, account, Amount(tokens), store.owner))


def test_what_cannot_be_booked_does_not_spoil_the_rest(store: Store, row: Callable[..., Any]) -> None:
    async def together() -> list[BaseException | None]:
        # Within one turn of the loop, so that they share a transaction.
        attempts = [hold(store, f"r{number}", 300) for number in range(4)]
        attempts.append(hold(store, "nowhere", 1, "nowhere"))
        attempts.append(hold(store, "r0", 1))
        store.record(row(SpanRow, charged=None))
        store.record(row(RunRow))
        store.settle(Settlement("never", charged=Amount(1)))
        store.record(row(CallRow, started_at=None))
        return await asyncio.gather(*attempts, return_exceptions=True)

    outcomes = asyncio.run(together())
    assert [type(outcome) for outcome in outcomes[:5]] == [type(None)] * 3 + [Short, UnknownName]
    assert outcomes[5] is not None
    with pytest.raises(StoreError) as caught:
        store.flush()
    assert "2 more" in str(caught.value)
    assert store.runs() == [row(RunRow)]
    assert store.balance("study").reserved == Amount(900)


def test_without_room_no_reservation_is_granted(
    store: Store, writer: Writer, path: Path, row: Callable[..., Any]
) -> None:
    asyncio.run(hold(store, "before", 100))
    store.flush()
    limit_pages(writer, 1)
    text = random.Random(0).randbytes(20_000).hex()
    store.settle(Settlement("before", charged=Amount(60)), row(CallRow, output_text=text))
    for _ in range(2):
        with pytest.raises(StoreError, match=f"{path.name}: the disk is full"):
            asyncio.run(hold(store, "after", 1))
    with pytest.raises(StoreError, match="disk is full"):
        store.flush()
    assert store.balance("study").reserved == Amount(100)
    limit_pages(writer, 1_000_000)
    asyncio.run(hold(store, "after", 1))
    assert store.balance("study") == Balance(Amount(60), Amount(), Amount(60), Amount(1), 1)
    assert len(store.calls("run")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted")
@pytest.mark.parametrize("what", ["deleted", "replaced", "log deleted"])
def test_a_database_that_is_gone_ends_what_would_be_booked_in_it(store: Store, path: Path, what: str) -> None:
    asyncio.run(hold(store, "before", 100))
    if what == "replaced":
        with open_store(path.with_name("other.db")):
            pass
        path.with_name("other.db").replace(path)
    else:
        path.with_name("books.db-wal" if what == "log deleted" else "books.db").unlink()
    store.settle(Settlement("before", charged=Amount(60)))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"books\.db was deleted, moved or replaced while it was open"):
            asyncio.run(hold(store, "after", 1))
    with pytest.raises(StoreError, match="deleted, moved or replaced"):
        store.mark_sent("before")
    with pytest.raises(StoreError, match="1 operations could not be booked"):
        store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved")
def test_a_database_that_is_put_back_goes_on(store: Store, path: Path) -> None:
    away = path.with_name("away.db")
    path.rename(away)
    with pytest.raises(StoreError, match=r"Put it back"):
        asyncio.run(hold(store, "r", 1))
    away.rename(path)
    asyncio.run(hold(store, "r", 1))
    assert store.balance("study").reserved == Amount(1)


def test_closing_without_room_says_what_is_missing(path: Path, row: Callable[..., Any]) -> None:
    store = open_store(path)
    store.record(row(RunRow))
    store.flush()
    assert store._writer is not None
    limit_pages(store._writer, 1)
    for number in range(300):
        store.record(row(SpanRow, span_id=str(number), answer="x" * 500))
    with pytest.raises(StoreError, match="300 operations could not be booked"):
        store.close()
    with open_store(path) as again:
        assert again.runs() == [row(RunRow)]
        assert again.spans("run") == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no resource limit")
def test_a_full_disk_loses_nothing_that_was_granted(tmp_path: Path) -> None:
    program = """
        import asyncio, resource, signal
        from apportion.errors import StoreError
        from apportion.records import AccountRow, Amount, Reservation
        from apportion.stores import open_store
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = open_store("books.db", durable=True)
        store.open_account(AccountRow("task"))
        store.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        async def main():
            for number in range(10_000):
                try:
                    await store.reserve(Reservation(str(number), "task", Amount(1), store.owner))
                except StoreError as error:
                    print(number, error, flush=True)
                    return
        asyncio.run(main())
        try:
            store.close()
        except StoreError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    granted = int(done.stdout.split()[0])
    assert granted > 3
    assert "books.db: the disk" in done.stdout
    with open_store(tmp_path / "books.db") as store:
        assert store.balance("task") == Balance(lost=Amount(granted), paid=Amount(granted))


def test_the_ledger_waits_for_the_disk_once_money_is_at_stake(path: Path, row: Callable[..., Any]) -> None:
    for durable, changed in ((None, True), (True, True), (False, False)):
        with open_store(path, durable=durable) as store:
            writer = store._writer
            assert writer is not None
            store.open_account(AccountRow(f"study {durable}"))
            store.flush()
            assert writer._synchronous == ("FULL" if durable else "NORMAL")
            store.make_durable()
            asyncio.run(hold(store, f"r{durable}", 1, f"study {durable}"))
            assert writer._synchronous == ("FULL" if changed else "NORMAL")
            store.record(row(RunRow))
            store.flush()
            assert writer._synchronous == "NORMAL"


def test_callers_share_transactions(store: Store) -> None:
    before = store._reader.root_releases("task")

    async def together() -> None:
        await asyncio.gather(*(hold(store, str(number), 1) for number in range(100)))

    assert store._writer is not None
    changes = store._writer._driver.total_changes
    asyncio.run(together())
    # 100 reservations, and one update for each of the two accounts in each of a few groups.
    assert store._writer._driver.total_changes - changes <= 110
    assert store._reader.root_releases("task") == before


def test_a_cancelled_reservation_is_given_back(store: Store) -> None:
    async def cancel() -> None:
        tasks = [asyncio.create_task(hold(store, str(number), 10)) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(cancel())
    assert store.balance("study") == Balance()


def test_the_log_is_moved_into_the_file_on_closing(store: Store, path: Path, row: Callable[..., Any]) -> None:
    for number in range(2_000):
        store.record(row(SpanRow, span_id=str(number)))
    store.flush()
    assert path.with_name(path.name + "-wal").stat().st_size > 100_000
    store.close()
    assert not path.with_name(path.name + "-wal").exists()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM span").fetchone() == (2_000,)


def test_the_database_itself_refuses_to_pass_a_limit(store: Store, path: Path) -> None:
    store.open_account(AccountRow("capped", "study", Limit("usd", 5)))
    asyncio.run(hold(store, "r", 10))
    store.settle(Settlement("r"))
    store.flush()
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "UPDATE account SET reserved_tokens = reserved_tokens + 1001 WHERE account_id = 'study'",
            "UPDATE account SET reserved_nanousd = reserved_nanousd + 6 WHERE account_id = 'capped'",
            "UPDATE account SET limit_value = 4 WHERE account_id = 'capped'",
            "UPDATE account SET charged_tokens = -1 WHERE account_id = 'task'",
            "UPDATE reservation SET state = 'open', closed_at = NULL WHERE reservation_id = 'r'",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
        connection.execute("UPDATE account SET reserved_tokens = reserved_tokens + 1000 WHERE account_id = 'study'")
        connection.rollback()
