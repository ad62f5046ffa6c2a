"""The process that runs queries: JSON lines in, JSON lines out, see `nodes.symbolic.worker`.

A query sees one SQLite file, read-only. What it may do is a list: select, read, and functions that cannot reach
outside the database. Everything else, whatever it is called, is refused by SQLite's authorizer before it runs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..nodes.symbolic.worker import serve

__all__ = ["main", "rows_of"]

MOST_ROWS = 10_000
MOST_BYTES = 4_000_000
"""Of a result."""
_VALUE_BYTES = 1_000_000
"""Of one text or blob, also on the way to a result."""
_STEPS = 1000
"""Steps of SQLite's machine between two looks at the processor's time."""
_MATHEMATICS = "abs ceil ceiling exp floor ln log log10 log2 mod pow power round sign sqrt trunc"
_TEXTS = """char concat concat_ws format glob hex instr length like lower ltrim printf quote replace rtrim substr
    substring trim unhex unicode upper"""
_AGGREGATES = "avg count group_concat max min string_agg sum total"
_WINDOWS = "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"
_TIMES = "date datetime julianday strftime time timediff unixepoch"
_OTHERS = "coalesce ifnull iif nullif typeof"
_FUNCTIONS = frozenset(" ".join((_MATHEMATICS, _TEXTS, _AGGREGATES, _WINDOWS, _TIMES, _OTHERS)).split())
"""Those that make a value of values. Not among them: what loads code, reads or writes files, or makes large values."""
_ALLOWED = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_BYTES),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (sqlite3.SQLITE_LIMIT_COLUMN, 200),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (sqlite3.SQLITE_LIMIT_VDBE_OP, 250_000),
    (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 32),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 0),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
    (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
)


class _TooMuch(Exception):
    """The result is larger than results may be."""


def main() -> None:
    """Answers queries until its input ends."""
    serve(lambda: _answer)


def rows_of(path: str, query: str, seconds: float) -> list[list[Any]]:
    """The rows that a query gives, blobs as hexadecimal text.

    Args:
        path: of a SQLite file, which is neither written nor locked.
        query: one statement.
        seconds: of the processor's time, so that a busy machine makes no query too slow.

    Raises:
        sqlite3.Error: it cannot be run, may not, or takes too long.
        sqlite3.Warning: it is more than one statement.
    """
    # What waits in a write-ahead log is part of the file's content, and is not seen where the file never changes.
    fixed = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro{fixed}", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        for limit, value in _LIMITS:
            connection.setlimit(limit, value)
        ends = time.process_time() + seconds
        connection.set_progress_handler(lambda: time.process_time() > ends, _STEPS)
        connection.set_authorizer(_authorized)
        return _fetched(connection.execute(query))
    finally:
        connection.close()


def _fetched(cursor: sqlite3.Cursor) -> list[list[Any]]:
    rows: list[list[Any]] = []
    size = 0
    for row in cursor:
        values = [value.hex() if isinstance(value, bytes) else value for value in row]
        size += sum(len(value) if isinstance(value, str) else 8 for value in values)
        if len(rows) >= MOST_ROWS or size > MOST_BYTES:
            raise _TooMuch(f"the result has more than {MOST_ROWS:,} rows or {MOST_BYTES:,} bytes")
        rows.append(values)
    return rows


def _authorized(action: int, first: str | None, second: str | None, database: str | None, within: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK if (second or "").lower() in _FUNCTIONS else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _answer(request: Any, memory: int) -> Mapping[str, object]:
    seconds = float(request["seconds"])
    try:
        return {"status": "rows", "rows": rows_of(request["path"], request["query"], seconds)}
    except (sqlite3.Error, sqlite3.Warning, _TooMuch, ValueError, OverflowError) as error:
        return {"status": "failed", "reason": str(error)[:300]}


if __name__ == "__main__":
    main()
