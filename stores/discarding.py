"""Discarding what is old: runs with all that hangs on them, while nobody else has the file open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreError
from .database import BUSY_SECONDS, database_errors, driver, writing_engine
from .live_owners import alive_owners
from .lock import TurnLock
from .opening import open_store

__all__ = ["Discarded", "discard"]

_STATEMENTS = {
    # By what is counted. Calls and spans of runs that were killed have no run.
    "runs": "DELETE FROM run WHERE ended_at < :before",
    "spans": "DELETE FROM span WHERE ended_at < :before AND run_id NOT IN (SELECT run_id FROM run)",
    "calls": "DELETE FROM call WHERE ended_at < :before AND run_id NOT IN (SELECT run_id FROM run)",
    "texts": "DELETE FROM text WHERE hash NOT IN ("
    "SELECT events_hash FROM span WHERE events_hash IS NOT NULL "
    "UNION SELECT evidence_hash FROM span WHERE evidence_hash IS NOT NULL "
    "UNION SELECT gen_ai_input_messages_hash FROM call WHERE gen_ai_input_messages_hash IS NOT NULL "
    "UNION SELECT gen_ai_output_messages_hash FROM call WHERE gen_ai_output_messages_hash IS NOT NULL "
    "UNION SELECT reasoning_hash FROM call WHERE reasoning_hash IS NOT NULL)",
    "tasks": "DELETE FROM task WHERE task_id NOT IN (SELECT task_id FROM run)",
    "plans": "DELETE FROM plan WHERE plan_hash NOT IN (SELECT plan_hash FROM run UNION SELECT plan_hash FROM trial)",
    "reservations": "DELETE FROM reservation WHERE state <> 'open' AND closed_at < :before",
    "owners": "DELETE FROM owner WHERE state <> 'alive' AND heartbeat_at < :before "
    "AND owner_id NOT IN (SELECT owner_id FROM reservation)",
}
_REPLIES = "DELETE FROM reply WHERE stored_at < :before"


@dataclass(frozen=True, slots=True)
class Discarded:
    """What went, and what that was worth."""

    rows: dict[str, int]
    """By kind."""
    kept_replies: int
    """Cached replies of before that stay."""
    bytes_before: int
    bytes_after: int


def discard(path: Path, before: float, *, replies: bool = False) -> Discarded:
    """Discards runs that ended before a moment, their spans and calls, and the texts and tasks of no other run.

    What studies found (trials, plans, accounts, the parts of tasks, what was found out about models) stays. So do
    cached replies, because what was paid for would be paid for again; a study that goes on runs what it misses anew
    from them.

    Args:
        path: of the database; one of an older schema is brought up to date first.
        before: seconds since the epoch.
        replies: whether to discard cached replies of before too.

    Raises:
        StoreError: there is no such database, somebody else has it open, or there is no room to write it anew.
    """
    if not path.exists() or path.stat().st_size == 0:
        raise StoreError(f"{path} holds no store; name one that exists")
    with open_store(path) as store:
        if store.read_only_reason:
            raise StoreError(f"{path} is open for reading only: {store.read_only_reason}")
    size = path.stat().st_size
    with (
        closing(TurnLock(f"{path}.lock")) as turn,
        turn.held(),
        database_errors(path),
        writing_engine(path).connect() as connection,
    ):
        with connection.begin():
            if alive_owners(connection):
                raise StoreError(f"another process has {path} open; close that one")
            statements = {**_STATEMENTS, **({"replies": _REPLIES} if replies else {})}
            rows = {
                what: connection.exec_driver_sql(statement, {"before": before} if ":" in statement else {}).rowcount
                for what, statement in statements.items()
            }
            (kept,) = connection.exec_driver_sql("SELECT count(*) FROM reply WHERE stored_at < ?", (before,)).one()
        _write_anew(driver(connection))
    return Discarded(rows, kept, size, path.stat().st_size)


def _write_anew(connection: sqlite3.Connection) -> None:
    """Gives the room back to the disk; readers are waited for."""
    connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
