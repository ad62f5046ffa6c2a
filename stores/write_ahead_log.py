"""SQLite's write-ahead log: moved into the file while nobody waits, and kept from growing without end."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from .database import BUSY_SECONDS
from .lock import TurnLock

__all__ = ["WriteAheadLog"]

_CHECKPOINT_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 64 * 1024 * 1024
"""From here on the log is emptied, though somebody waits."""
_LOOK_SECONDS = 1.0
"""How often its size is looked at while there is work."""
_WAIT_SECONDS = (0.2, 1.0)
"""How long readers are waited for then, the longer the longer the log is, from the least to the most. Where one goes on
reading, the next try comes ten times as late, so that writing is held up by a tenth at most."""
_TRY_SECONDS = 0.05
"""How long SQLite itself waits at a time: it waits for a place in its table of readers, which another, who reads the
newest and is not in the way, may have taken since."""


class WriteAheadLog:
    """The log of a database, for the one thread that writes.

    Args:
        path: the database.
        connection: to write with.
        turn: the lock that lets processes write in turn.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, turn: TurnLock) -> None:
        self._path = path.with_name(path.name + "-wal")
        self._connection = connection
        self._turn = turn
        self._moved = 0
        self._next_look = 0.0

    def move(self) -> None:
        """Moves the log into the file while nobody waits, so that no commit has to."""
        size = self._size()
        if size > _CHECKPOINT_BYTES and size != self._moved:
            self._moved = size
            self._checkpoint("PASSIVE")

    def bound(self) -> None:
        """Empties a log that has grown long; called between commits, and most times does nothing.

        SQLite begins a log anew only when nobody reads from it; readers that come and go, each before the last has
        gone, would let it grow without end. One that never goes does so all the same.
        """
        if time.monotonic() < self._next_look:
            return
        pause = _LOOK_SECONDS
        size = self._size()
        if size > _MOST_BYTES:
            least, most = _WAIT_SECONDS
            wait = min(least * size / _MOST_BYTES, most)
            if not self._emptied(wait):
                pause = max(_LOOK_SECONDS, 10 * wait)
        self._next_look = time.monotonic() + pause

    def _emptied(self, wait: float) -> bool:
        until = time.monotonic() + wait
        with self._turn.held():
            self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * _TRY_SECONDS)}")
            while not (emptied := self._checkpoint("TRUNCATE")) and time.monotonic() < until:
                pass
            self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")
        return emptied

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _checkpoint(self, kind: str) -> bool:
        """Whether nobody was in the way."""
        try:
            ((busy, *_),) = self._connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()
        except sqlite3.OperationalError:
            # The log stays as it is and is read in place of the file; a disk without room shows at the next commit.
            return False
        return not busy
