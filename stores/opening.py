"""Opening a store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

from sqlalchemy import Connection

from ..errors import StoreError, UsageError
from .capture import Capture
from .database import (
    check_header,
    check_statements,
    check_whole,
    database_errors,
    driver,
    schema_of,
    writing_engine,
)
from .group import Group
from .live_owners import Owner, alive_owners, dead_owners
from .lock import TurnLock
from .migrations import VERSION
from .reader import Reader
from .store import HandedOver, Store
from .texts import TextEncoder
from .unsent import UnsentCalls
from .upgrade import bring_up_to_date
from .writer import Writer

__all__ = ["open_store"]


def open_store(
    path: str | os.PathLike[str],
    *,
    durable: bool | None = None,
    read_only: bool = False,
    compress: bool = False,
    capture: Capture = "full",
) -> Store:
    """Opens the store in a file, and makes it where there is none.

    An older schema is brought up to date, after a copy was made beside the file, of which an `OldFileWarning` tells.
    One of a newer schema is opened for reading only; see `Store.read_only_reason`. What processes that ended
    without closing it still held is charged as lost.

    Args:
        path: the file. Beside it lie its log (`-wal`, `-shm`) while it is open, and a lock file (`.lock`).
        durable: True makes every commit of the ledger wait for the disk, so that a power cut loses no settlement;
            False never does. None begins without, until `make_durable` is called.
        read_only: opens a file that exists without changing it.
        compress: keeps long texts compressed with zlib, where no SQL can read them: about half the size for prose.
        capture: what is kept from now on of what is asked and answered (questions, golds, prompts, replies, reasoning,
            passages, answers, reasons): "full", all, up to 256 KiB each; "hash", how long each is and how its SHA-256
            begins; "none", nothing. Without "full" no replies are kept for later calls either, so a study that goes on
            from the file may pay for a call again.

    Raises:
        StoreError: the file is damaged, foreign, cut off, or cannot be written.
        UsageError: there is no such capture.
    """
    if capture not in get_args(Capture):
        raise UsageError(f"capture must be one of {', '.join(get_args(Capture))}, not {capture!r}")
    place = Path(path)
    check_header(place)
    if read_only:
        return _open_for_reading(place, "it was opened so")
    try:
        turn = TurnLock(str(place) + ".lock")
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror}; check the permissions of its folder") from error
    return _open_for_writing(place, turn, durable, TextEncoder(compress=compress, capture=capture))


def _open_for_reading(path: Path, reason: str) -> Store:
    if not path.exists() or path.stat().st_size == 0:
        raise StoreError(f"{path} holds no store; name one that exists")
    reader = Reader(path, read_only=True)
    try:
        if reader.schema() == 0:
            raise StoreError(f"{path} holds no store; name one that exists")
    except BaseException:
        reader.close()
        raise
    return Store(path, "", reader, None, HandedOver(reader, UnsentCalls(path, "", flushed=False)), reason)


def _open_for_writing(path: Path, turn: TurnLock, durable: bool | None, texts: TextEncoder) -> Store:
    connection: Connection | None = None
    try:
        with database_errors(path):
            connection = writing_engine(path).connect()
            if schema_of(driver(connection), path):
                check_whole(driver(connection), path)
        with turn.held(), database_errors(path):
            # Once more, because another process may have made it meanwhile.
            found = schema_of(driver(connection), path)
            if found <= VERSION:
                owner = Owner.this()
                unsent = UnsentCalls(path, owner.owner_id, flushed=not owner.tells_restarts)
                group = Group(connection, path, owner, unsent, texts)
                _enter(connection, path, found, owner, group)
        if found > VERSION:
            connection.close()
            turn.close()
            return _open_for_reading(
                path, f"its schema is {found}, and this version of apportion knows {VERSION}; install a newer one"
            )
        reader = Reader(path)
    except BaseException:
        if connection is not None:
            connection.close()
        turn.close()
        raise
    handed_over = HandedOver(reader, unsent)
    writer = Writer(path, connection, turn, group, durable=durable, on_commit=handed_over.booked)
    return Store(path, owner.owner_id, reader, writer, handed_over)


def _enter(connection: Connection, path: Path, found: int, owner: Owner, group: Group) -> None:
    """Makes the file fit to be written and registers this process."""
    if found:
        with connection.begin():
            alive = alive_owners(connection) - {*dead_owners(connection, owner)}
        if found < VERSION and alive:
            raise StoreError(f"{path} has to be brought up to date, but another process has it open; close that one")
    if found < VERSION:
        bring_up_to_date(connection, path, found)
    check_statements(driver(connection), path)
    group.enter()
