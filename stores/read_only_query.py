"""A statement of SQL that somebody wrote, run so that nothing is changed or made by it, and that Ctrl-C ends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreError

__all__ = ["Answer", "answer"]

_REFUSED = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_TRANSACTION}
"""What SQLite does also where it only reads: it makes other files (VACUUM INTO attaches one), or holds this one."""
_ASKING_PRAGMAS = {
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
}
"""Those that ask of what is named; to any other a value is a setting."""
_STEPS = 100_000
"""Of SQLite's machine, a few milliseconds: so often it is seen whether somebody wants to stop."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement of SQL found."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def answer(connection: sqlite3.Connection, statement: str, parameters: Sequence[Any], path: Path) -> Answer:
    """What a statement finds in the database of a connection that is not used for anything else meanwhile.

    Raises:
        StoreError: it is not one statement, or would do anything but read: also opening or making another file.
        KeyboardInterrupt: somebody stopped it.
    """
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_allowed)
    # SQLite does not come back from a long step for a signal; this does, and so its handler runs.
    connection.set_progress_handler(_go_on, _STEPS)
    try:
        with closing(connection.execute(statement, parameters)) as found:
            names = [column[0] for column in found.description or ()]
            return Answer(tuple(names), found.fetchall())
    except UnicodeEncodeError as error:
        raise StoreError(f"{path}: the statement cannot be run: it, or a value in it, is not UTF-8") from error
    except (sqlite3.Warning, sqlite3.ProgrammingError, OverflowError) as error:
        raise StoreError(f"{path}: the statement cannot be run: {error}") from error
    except sqlite3.DatabaseError as error:
        # Errors that the driver itself raises have no code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from error
        if code not in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
            raise
        raise StoreError(f"{path}: the statement does more than read, and here it is only read") from error
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)


def _go_on() -> int:
    return 0


def _allowed(action: int, name: str | None, value: str | None, database: str | None, source: str | None) -> int:
    sets = action == sqlite3.SQLITE_PRAGMA and value is not None and name not in _ASKING_PRAGMAS
    return sqlite3.SQLITE_DENY if sets or action in _REFUSED else sqlite3.SQLITE_OK
