from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from apportion.errors import StoreError
from apportion.records import Amount, Balance, CallRow, FactRow, RunRow, SpanRow, StudyRow, TrialRow
from apportion.stores import database, migrations, open_store, opening

DATABASES = Path(__file__).with_name("databases")


@pytest.fixture
def old(path: Path) -> Path:
    """A copy of a database of schema 1, as `databases/make.py` made it."""
    shutil.copy(DATABASES / "schema1.sqlite", path)
    return path


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_the_first_schema_can_be_read(old: Path, row: Callable[..., Any], read_only: bool) -> None:
    with open_store(old, read_only=read_only) as store:
        assert store.balance("study") == Balance(Amount(40, 80, 120), Amount(7), Amount(47, 80, 120))
        reply = store.get("ab" * 32)
        assert reply is not None
        assert reply.payload == '{"text":"36"}'
        assert store.calls("run") == [row(CallRow)]
        assert store.spans("run") == [row(SpanRow)]
        assert store.runs() == [row(RunRow)]
        assert store.trials("study") == [row(TrialRow)]
        assert store.studies() == [row(StudyRow)]


def test_a_database_of_the_second_schema_can_be_read(path: Path, row: Callable[..., Any]) -> None:
    shutil.copy(DATABASES / "schema2.sqlite", path)
    with open_store(path) as store:
        assert store.fact("model", "breach") == row(FactRow)
        assert store.calls("run") == [row(CallRow)]


def test_a_database_of_the_third_schema_can_be_read(path: Path, row: Callable[..., Any]) -> None:
    shutil.copy(DATABASES / "schema3.sqlite", path)
    with open_store(path) as store:
        assert store.runs() == [row(RunRow)]
        assert store.parts(1) == {"task": "test"}


def test_tasks_keep_the_part_that_older_versions_gave_them(path: Path) -> None:
    shutil.copy(DATABASES / "schema2.sqlite", path)
    with open_store(path, read_only=True) as store:
        assert (store.runs()[0].reason, store.parts(1)) == ("", {})
    with open_store(path) as store:
        assert store.parts(1) == {"task": "fit"}


def test_a_migration_copies_the_file_first(old: Path, row: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def m002_notes(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE note (text TEXT)")

    present = (migrations.m001_first, m002_notes)
    monkeypatch.setattr(database, "MIGRATIONS", present)
    monkeypatch.setattr(database, "VERSION", 2)
    monkeypatch.setattr(opening, "VERSION", 2)
    for _ in range(2):
        with open_store(old) as store:
            assert store.runs() == [row(RunRow)]
    run_sql(old, "INSERT INTO note VALUES ('x')")
    copy = old.with_name("books.db.schema1")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        assert connection.execute("SELECT run_id FROM run").fetchall() == [("run",)]
    assert [file.name for file in old.parent.glob("*.schema*")] == [copy.name]


def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def m002_broken(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE note (text TEXT)")
        connection.exec_driver_sql("no such statement")

    monkeypatch.setattr(database, "MIGRATIONS", (migrations.m001_first, m002_broken))
    monkeypatch.setattr(database, "VERSION", 2)
    monkeypatch.setattr(opening, "VERSION", 2)
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


def test_a_newer_schema_is_for_reading_only(old: Path, row: Callable[..., Any]) -> None:
    run_sql(old, "INSERT INTO schema_version VALUES (99, 0)", "CREATE TABLE news (text TEXT)")
    before = old.read_bytes()
    with open_store(old) as store:
        assert "99" in store.read_only_reason
        assert store.runs() == [row(RunRow)]
        with pytest.raises(StoreError, match=r"schema is 99.*install a newer one"):
            store.record(row(RunRow))
        with pytest.raises(StoreError, match="schema is 99"):
            store.make_durable()
    assert old.read_bytes() == before


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


def test_damage_is_found_after_a_crash(old: Path) -> None:
    # Somebody did not close it.
    run_sql(old, "INSERT INTO owner VALUES ('gone', 'elsewhere', 1, '1', 0, 'alive')")
    data = bytearray(old.read_bytes())
    for page in range(8, len(data) // 4096 - 4):
        data[page * 4096 : page * 4096 + 200] = random.Random(page).randbytes(200)
    old.write_bytes(data)
    with pytest.raises(StoreError, match=r"books\.db.*damaged.*recover"):
        open_store(old)


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
