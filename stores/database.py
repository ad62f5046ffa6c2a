"""Opening a database file: is it ours, is it whole, is it of this schema; and the connections to it."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from ..errors import StoreError
from . import schema
from .migrations import APPLICATION_ID
from .older import present_as_today

__all__ = [
    "BUSY_SECONDS",
    "check_header",
    "check_statements",
    "check_whole",
    "database_errors",
    "driver",
    "explained",
    "identity",
    "reading_engine",
    "schema_of",
    "writing_engine",
]


BUSY_SECONDS = 30.0
_WAL_BYTES = 64 * 1024 * 1024
_MAGIC = b"SQLite format 3\x00"
_READERS = 8
_THOROUGH_BYTES = 32 * 1024 * 1024
"""Up to this size a file is checked in a third of a second, indices included."""


def check_header(path: Path) -> None:
    """Looks at the first bytes of the file, before SQLite does.

    Raises:
        StoreError: it is not a database, or shorter than it says.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise StoreError(f"{path} is not a SQLite database; name another file, or move it away")
    page_size, changes, pages, valid_for = struct.unpack_from(">H6xII60xI", header[:96], 16)
    log = path.with_name(path.name + "-wal")
    expected = pages * (65536 if page_size == 1 else page_size)
    if changes == valid_for and expected > path.stat().st_size and not (log.exists() and log.stat().st_size):
        raise StoreError(
            f"{path} is cut off: {path.stat().st_size:,} of {expected:,} bytes are there; restore a copy of it"
        )


def identity(path: Path) -> tuple[tuple[int, int] | None, ...]:
    """Which files lie at the path of a database and of its log: one that is deleted or replaced is another.

    SQLite itself would go on with the file that it has open, which nobody can find any more.
    """
    found: list[tuple[int, int] | None] = []
    for name in (path, path.with_name(path.name + "-wal")):
        try:
            known = name.stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((known.st_dev, known.st_ino))
    return tuple(found)


def writing_engine(path: Path) -> Engine:
    """Connections of which every transaction begins as a writer, so that what it reads stays true until it commits."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        # The writer checkpoints when it is idle; this is the bound for when it never is.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reading_engine(path: Path, *, read_only: bool) -> Engine:
    """Connections that only read, and so never wait for the writer.

    Args:
        path: the file.
        read_only: whether the file itself is opened for reading, so that it works on one that cannot be written. One of
            an older schema is then read as if it were of the present one.
    """
    uri = path.absolute().as_uri() + "?mode=ro"
    log = path.with_name(path.name + "-wal")
    if read_only and not log.exists() and not os.access(path.parent, os.W_OK):
        # A reader of a WAL database makes two files beside it; where it cannot, and nobody writes, it needs none.
        uri += "&immutable=1"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=_READERS, max_overflow=_READERS)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        present_as_today(connection)

    return engine


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, for statements outside of any transaction."""
    found = connection.connection.driver_connection
    if not isinstance(found, sqlite3.Connection):
        raise TypeError(f"a connection of the sqlite3 module was expected, not {type(found).__name__}")
    return found


def schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """The number of the file's schema; 0 for an empty file.

    Raises:
        StoreError: it belongs to another program, or cannot be read.
    """
    with database_errors(path):
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables == 0:
            return 0
        if mark != APPLICATION_ID:
            raise StoreError(f"{path} is a SQLite database of another program; name another file")
        (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        return int(version)


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Reads through the file, so that damage is found before a call is paid that cannot be booked.

    Of a large file the indices are not compared with their tables: the rest takes 3 seconds a gigabyte, and that three
    times as long (2026, one core, the file in the system's cache).

    Raises:
        StoreError: it is damaged.
    """
    check = "integrity_check" if path.stat().st_size <= _THOROUGH_BYTES else "quick_check"
    with database_errors(path):
        (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    if found != "ok":
        raise _damaged(path, found)


def check_statements(connection: sqlite3.Connection, path: Path) -> None:
    """Has SQLite compile, and not run, what writes each table: a schema whose text is damaged is found so.

    Raises:
        StoreError: a table, a column, a constraint or a trigger is not as it was made.
    """
    with database_errors(path):
        for table in schema.metadata.sorted_tables:
            names = [column.name for column in table.columns if column.computed is None]
            places = ", ".join("?" * len(names))
            same = ", ".join(f"{name} = {name}" for name in names)
            try:
                connection.execute(f"EXPLAIN INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})", names)
                connection.execute(f"EXPLAIN UPDATE {table.name} SET {same}")
            except sqlite3.OperationalError as error:
                raise _damaged(path, f"table {table.name}: {error}") from error


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into one line that names the file and the remedy."""
    try:
        yield
    except (sqlite3.Error, DBAPIError) as error:
        raise explained(path, error) from error
    except UnicodeDecodeError as error:  # SQLite names what it found in a table of contents that is noise
        raise _damaged(path, "its schema cannot be read") from error


def explained(path: Path, error: sqlite3.Error | DBAPIError) -> StoreError:
    """What SQLite raised, as one line that names the file and the remedy."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    remedy = {
        sqlite3.SQLITE_CORRUPT: f"it is damaged; restore a copy, or save what is left: {_rescue(path)}",
        sqlite3.SQLITE_NOTADB: "it is not a SQLite database; name another file, or move it away",
        sqlite3.SQLITE_FULL: "the disk is full; make room and start again, nothing settled is lost",
        sqlite3.SQLITE_IOERR: "the disk cannot be written or read; check its room and its health",
        sqlite3.SQLITE_READONLY: "it cannot be written; check the permissions of the file and its folder",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the permissions of the file and its folder",
        sqlite3.SQLITE_BUSY: f"another program has been writing to it for {BUSY_SECONDS:.0f} s; close that one",
        sqlite3.SQLITE_LOCKED: "another program has locked it; close that one",
    }.get(code, "this statement is refused by the database")
    return StoreError(f"{path}: {remedy} (SQLite: {cause})")


def _damaged(path: Path, found: str) -> StoreError:
    return StoreError(f"{path} is damaged ({found}); restore a copy, or save what is left: {_rescue(path)}")


def _rescue(path: Path) -> str:
    return f"sqlite3 {path.name} .recover > rescued.sql"
