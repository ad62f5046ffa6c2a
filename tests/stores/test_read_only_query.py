from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from apportion.errors import StoreError
from apportion.stores.read_only_query import answer


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that might write, beside which nothing else lies."""
    with closing(sqlite3.connect(tmp_path / "books.db", isolation_level=None)) as made:
        made.execute("CREATE TABLE run (run_id TEXT, score REAL)")
        made.execute("INSERT INTO run VALUES ('a', 0.5), ('b', NULL)")
        yield made


def asked(connection: sqlite3.Connection, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    return answer(connection, statement, parameters, Path("books.db")).rows


def test_columns_and_rows(connection: sqlite3.Connection) -> None:
    found = answer(connection, "SELECT run_id, score AS s FROM run WHERE run_id > ?", ["a"], Path("books.db"))
    assert (found.columns, found.rows) == (("run_id", "s"), [("b", None)])
    assert answer(connection, "-- nothing is asked", [], Path("books.db")).columns == ()


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA page_count",
        "PRAGMA table_info(run)",
        "SELECT name FROM pragma_table_xinfo('run')",
        "EXPLAIN QUERY PLAN SELECT * FROM run",
        "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3) SELECT sum(x) FROM c",
        "SELECT value FROM json_each('[1, 2]')",
        "VALUES (1)",
        "EXPLAIN DROP TABLE run",
    ],
)
def test_all_that_reads_is_allowed(connection: sqlite3.Connection, statement: str) -> None:
    assert asked(connection, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'other.db'",
        "VACUUM",
        "DELETE FROM run",
        "CREATE TEMP TABLE other (x)",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode(DELETE)",
        "PRAGMA writable_schema = 1",
        "BEGIN IMMEDIATE",
        "SAVEPOINT a",
    ],
)
def test_what_does_more_changes_and_makes_nothing(
    connection: sqlite3.Connection, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"^books\.db: the statement does more than read"):
        asked(connection, statement)
    assert [each.name for each in tmp_path.iterdir()] == ["books.db"]
    assert asked(connection, "SELECT count(*) FROM run") == [(2,)]
    assert not connection.in_transaction


@pytest.mark.parametrize(
    ("statement", "parameters", "said"),
    [
        ("SELECT '\udcff'", (), "not UTF-8"),
        ("SELECT ?", ("\udcff",), "not UTF-8"),
        ("SELECT ?", (2**63,), "too large"),
        ("SELECT ?", (), "binding"),
        ("SELECT 1; SELECT 2", (), "one statement"),
        ("SELECT '\0'", (), "null character"),
    ],
)
def test_what_cannot_be_run_is_said(
    connection: sqlite3.Connection, statement: str, parameters: tuple[object, ...], said: str
) -> None:
    with pytest.raises(StoreError, match=f"cannot be run: .*{said}"):
        asked(connection, statement, *parameters)


def test_errors_of_the_driver_have_no_code(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="decode"):
        asked(connection, "SELECT CAST(x'ff' AS TEXT)")


def test_a_long_statement_is_stopped_by_ctrl_c(connection: sqlite3.Connection) -> None:
    # A shell starts what runs in the background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    long = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000000000) SELECT count(*) FROM c"
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            asked(connection, long)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert asked(connection, "SELECT 1") == [(1,)]
