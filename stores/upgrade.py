"""Bringing a file of an older schema up to date: a copy first, then all steps in one transaction, or none."""

from __future__ import annotations

import os
import sqlite3
import stat
import warnings
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..errors import StoreError
from .database import database_errors, driver
from .migrations import MIGRATIONS, NEW_KEYS, VERSION, migrate

__all__ = ["OldFileWarning", "back_up", "bring_up_to_date"]


class OldFileWarning(UserWarning):
    """Something of a file of an earlier version that its owner must know."""


def bring_up_to_date(connection: Connection, path: Path, found: int) -> None:
    """Migrates from schema `found` to the present one, after a copy of the file was made beside it.

    Who ends in between, by a kill or a full disk, leaves the file as it was.

    Raises:
        StoreError: there is no room for the copy or for the steps, or the disk cannot be written.
    """
    raw = driver(connection)
    with database_errors(path):
        if found == 0:
            (mode,) = raw.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(f"{path}: its file system has no write-ahead log; choose a local disk")
        copy = back_up(raw, path, found) if found else None
        # A table that is rebuilt would otherwise take the rows that point to it along.
        raw.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                migrate(connection, found, MIGRATIONS)
        except DBAPIError as error:
            if copy is not None and (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL:
                copy.unlink()  # nothing was changed, and room is what is wanted
            raise
        raw.execute("PRAGMA foreign_keys = ON")
    if copy is not None:
        _tell(f"{path} was brought from schema {found} to {VERSION}; the file as it was is kept as {copy}")
        if found < NEW_KEYS:
            _tell_of_old_replies(raw, path)


def back_up(connection: sqlite3.Connection, path: Path, found: int) -> Path:
    """Copies the database to a new file beside it, named after its schema, and returns where.

    The copy has its name once it is whole and on the disk. Whoever may not read the file may not read it either.

    Raises:
        StoreError: there is no room for it, or it cannot be written.
    """
    copy = path.with_name(f"{path.name}.schema{found}")
    number = 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.schema{found}.{number}")
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        # Made empty first, which SQLite takes: it would let everybody read what it makes, with all prompts and answers.
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection.execute("VACUUM INTO ?", (str(unfinished),))
        unfinished.chmod(stat.S_IMODE(path.stat().st_mode))
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
    except (sqlite3.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(
            f"{path} has to be brought up to date, and no copy of it could be made first ({error}); nothing was "
            f"changed. Make room for {path.stat().st_size:,} bytes beside it and start again"
        ) from error
    unfinished.rename(copy)
    return copy


def _tell_of_old_replies(connection: sqlite3.Connection, path: Path) -> None:
    """Warns of what was paid for and is not found any more."""
    with closing(connection.execute("SELECT count(*), sum(charged_tokens), sum(charged_nanousd) FROM reply")) as found:
        count, tokens, nanousd = found.fetchone()
    if count:
        worth = f"{tokens:,} tokens" + (f", {nanousd / 1e9:,.2f} USD" if nanousd else "")
        _tell(
            f"{path}: {count:,} cached replies, worth {worth}, were kept by an earlier version and will not be used "
            "again: since then every node draws for itself"
        )


def _tell(what: str) -> None:
    warnings.warn(what, OldFileWarning, stacklevel=3)
