from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from apportion.errors import StoreError
from apportion.records import (
    AccountRow,
    Amount,
    Balance,
    CallRow,
    FactRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TrialRow,
)
from apportion.stores import Store, migrations, open_store, opening, upgrade

DATABASES = Path(__file__).with_name("databases")
OF_BEFORE: dict[type, dict[str, Any]] = {
    CallRow: {"reasoning_text": ""},
    SpanRow: {"evidence": "[]"},
    RunRow: {"parent_account_id": ""},
}
"""What rows of older versions have in fields that they lack."""
pytestmark = pytest.mark.filterwarnings("ignore::apportion.stores.upgrade.OldFileWarning")


@pytest.fixture
def old(path: Path) -> Path:
    """A copy of a database of schema 1, as `databases/make.py` made it."""
    shutil.copy(DATABASES / "schema1.sqlite", path)
    return path


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def with_step(monkeypatch: pytest.MonkeyPatch, step: Callable[[Connection], None]) -> None:
    """Makes a step after the present schema due."""
    steps = (*migrations.MIGRATIONS, step)
    monkeypatch.setattr(upgrade, "MIGRATIONS", steps)
    monkeypatch.setattr(upgrade, "VERSION", len(steps))
    monkeypatch.setattr(opening, "VERSION", len(steps))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_the_first_schema_can_be_read(old: Path, row: Callable[..., Any], read_only: bool) -> None:
    with open_store(old, read_only=read_only) as store:
        assert store.balance("study") == Balance(Amount(40, 80, 120), Amount(7), Amount(47, 80, 120))
        reply = store.get("ab" * 32)
        assert reply is not None
        assert reply.payload == '{"text":"36"}'
        assert store.calls("run") == [row(CallRow, **OF_BEFORE[CallRow])]
        assert store.spans("run") == [row(SpanRow, **OF_BEFORE[SpanRow])]
        assert store.runs() == [row(RunRow, abstained=None, **OF_BEFORE[RunRow])]
        assert store.trials("study") == [row(TrialRow)]
        assert store.studies() == [row(StudyRow)]


def test_a_database_of_the_second_schema_can_be_read(path: Path, row: Callable[..., Any]) -> None:
    shutil.copy(DATABASES / "schema2.sqlite", path)
    with open_store(path) as store:
        assert store.fact("model", "breach") == row(FactRow)
        assert store.calls("run") == [row(CallRow, **OF_BEFORE[CallRow])]


def test_a_database_of_the_third_schema_can_be_read(path: Path, row: Callable[..., Any]) -> None:
    shutil.copy(DATABASES / "schema3.sqlite", path)
    with open_store(path) as store:
        assert store.runs() == [row(RunRow, abstained=None, **OF_BEFORE[RunRow])]
        assert store.parts(1) == {"task": "test"}


def test_a_database_of_the_fifth_schema_can_be_read(path: Path, row: Callable[..., Any]) -> None:
    shutil.copy(DATABASES / "schema5.sqlite", path)
    with open_store(path) as store:
        assert store.runs() == [row(RunRow, **OF_BEFORE[RunRow])]


def test_a_database_of_the_sixth_schema_can_be_read(path: Path, row: Callable[..., Any]) -> None:
    shutil.copy(DATABASES / "schema6.sqlite", path)
    with open_store(path) as store:
        assert store.runs() == [row(RunRow)]
        assert store.spans("run") == [row(SpanRow)]
        assert store.calls("run") == [row(CallRow)]
        assert store.query("SELECT model, tokens FROM charges WHERE calls = 1").rows == [("small", 40)]


def test_tasks_keep_the_part_that_older_versions_gave_them(path: Path) -> None:
    shutil.copy(DATABASES / "schema2.sqlite", path)
    with open_store(path, read_only=True) as store:
        assert (store.runs()[0].reason, store.parts(1)) == ("", {"task": "fit"})
    with open_store(path) as store:
        assert store.parts(1) == {"task": "fit"}


def test_a_migration_copies_the_file_first(old: Path, row: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def notes(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE note (text TEXT)")

    with_step(monkeypatch, notes)
    for _ in range(2):
        with open_store(old) as store:
            assert store.runs() == [row(RunRow, abstained=None, **OF_BEFORE[RunRow])]
    run_sql(old, "INSERT INTO note VALUES ('x')")
    copy = old.with_name("books.db.schema1")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        assert connection.execute("SELECT run_id FROM run").fetchall() == [("run",)]
    assert [file.name for file in old.parent.glob("*.schema*")] == [copy.name]


def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE note (text TEXT)")
        connection.exec_driver_sql("no such statement")

    with_step(monkeypatch, broken)
    with pytest.raises(StoreError, match=r"books\.db"):
        open_store(old)
    monkeypatch.undo()
    with open_store(old) as store:
        assert store.studies()
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'note'").fetchone() is None


def test_a_migration_waits_until_nobody_else_has_it_open(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(old):
        monkeypatch.setattr(opening, "VERSION", migrations.VERSION + 1)
        with pytest.raises(StoreError, match="another process"):
            open_store(old)


def test_a_newer_schema_is_for_reading_only(path: Path, row: Callable[..., Any]) -> None:
    with open_store(path) as store:
        store.record(row(RunRow))
    run_sql(path, "INSERT INTO schema_version VALUES (99, 0)", "CREATE TABLE news (text TEXT)")
    before = path.read_bytes()
    with open_store(path) as store:
        assert "99" in store.read_only_reason
        assert store.runs() == [row(RunRow)]
        with pytest.raises(StoreError, match=r"schema is 99.*install a newer one"):
            store.record(row(RunRow))
        with pytest.raises(StoreError, match="schema is 99"):
            store.make_durable()
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"question,answer\n1,2\n", "not a SQLite database"),
        (b"SQLite format 3\x00", "not a SQLite database"),
        (random.Random(1).randbytes(10_000), "not a SQLite database"),
    ],
    ids=["text", "a first line only", "noise"],
)
def test_other_files_are_refused(path: Path, content: bytes, message: str, read_only: bool) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=message):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == content
    assert not path.with_name("books.db.lock").exists()


@pytest.mark.parametrize("read_only", [False, True])
def test_another_programs_database_is_refused(path: Path, read_only: bool) -> None:
    run_sql(path, "CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_truncated_file_is_refused(old: Path) -> None:
    data = old.read_bytes()
    old.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match="cut off"):
        open_store(old)


@pytest.mark.parametrize("closed", [True, False])
def test_damage_is_found_at_the_next_opening(old: Path, closed: bool) -> None:
    if not closed:
        run_sql(old, "INSERT INTO owner VALUES ('gone', 'elsewhere', 1, '1', 0, 'alive')")
    data = bytearray(old.read_bytes())
    for page in range(8, len(data) // 4096 - 4):
        data[page * 4096 : page * 4096 + 200] = random.Random(page).randbytes(200)
    old.write_bytes(data)
    with pytest.raises(StoreError, match=r"books\.db.*damaged.*recover"):
        open_store(old)


def damages(size: int) -> Iterator[tuple[int, int]]:
    """Where noise is written and how much of it: every page but the first, and 30 smaller places."""
    draw = random.Random(0)
    yield from ((page * 4096, 4096) for page in range(1, size // 4096))
    yield from ((draw.randrange(100, size - 64), draw.choice([1, 8, 64])) for _ in range(30))


def test_damage_is_found_before_anything_is_reserved_or_does_no_harm(path: Path, row: Callable[..., Any]) -> None:
    def use(store: Store, number: int) -> None:
        async def call() -> None:
            for name in (f"r{number}-{each}" for each in range(4)):
                await store.reserve(Reservation(name, "study", Amount(10), store.owner))
                made = row(CallRow, call_id=name, output_text=name, run_id=name)
                store.settle(Settlement(name, charged=Amount(7)), made, StoredReply(name, name * 2000, Amount(7)))
                store.record(row(SpanRow, span_id=name, run_id=name))
                store.record(row(RunRow, run_id=name))

        store.open_account(AccountRow("study"))
        asyncio.run(call())

    with open_store(path) as store:
        for number in range(15):
            use(store, number)
    data = path.read_bytes()
    found = 0
    for place, size in damages(len(data)):
        path.write_bytes(data[:place] + random.Random(place).randbytes(size) + data[place + size :])
        try:
            store = open_store(path)
        except StoreError:
            found += 1
            continue
        with store:
            use(store, 1000 + place)
    assert found > 20


def test_places_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "nowhere" / "books.db")
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="holds no store"):
        open_store(tmp_path / "books.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(old: Path) -> None:
    old.parent.chmod(0o500)
    try:
        with open_store(old, read_only=True) as store:
            assert store.studies()
        with pytest.raises(StoreError, match="permission"):
            open_store(old)
    finally:
        old.parent.chmod(0o700)


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with open_store(str(path)) as store:
        assert store.studies() == []


@pytest.mark.parametrize(("schema", "tells"), [(1, True), (3, True), (4, False)])
def test_replies_that_will_not_be_used_again_are_told_of_once(path: Path, schema: int, tells: bool) -> None:
    shutil.copy(DATABASES / f"schema{schema}.sqlite", path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            with open_store(path):
                pass
    first, *more = (str(warning.message) for warning in told)
    assert (
        first
        == f"{path} was brought from schema {schema} to {migrations.VERSION}; the file as it was is kept as "
        + (f"{path}.schema{schema}")
    )
    assert [message.partition(": ")[2][:43] for message in more] == (
        ["1 cached replies, worth 40 tokens, 0.00 USD"] if tells else []
    )
