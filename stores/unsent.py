"""Which reserved calls have not been sent, in a file that outlives the process that holds them."""

from __future__ import annotations

import os
import threading
from collections.abc import Container, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from ..errors import StoreError

__all__ = ["UnsentCalls", "remove_stale", "unsent_calls_of"]

_RECORD_BYTES = 16
_NOTHING = bytes(_RECORD_BYTES)


class UnsentCalls:
    """The calls of one owner that still wait, in a file beside the database.

    A request must not leave before it is crossed out here, and nothing should come between the two: whoever sends does
    it himself, with one small write. A transaction would cost the time of a thread and of a disk, and a kill after it
    would charge what was never sent. What was written survives its process, but perhaps not its machine, so the file is
    believed only of a process that is known to have ended (see `live_owners`); without it every call counts as sent.

    Thread safety: all methods may be called from any thread.

    Args:
        database: whose calls they are.
        owner_id: who holds them.
        flushed: whether crossing out waits for the disk, where nobody can tell a machine that lost power from a process
            that was killed.
    """

    def __init__(self, database: Path, owner_id: str, *, flushed: bool) -> None:
        self._path = _place(database, owner_id)
        self._flushed = flushed
        self._file: BinaryIO | None = None
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._lock = threading.Lock()

    def __contains__(self, reservation_id: object) -> bool:
        return reservation_id in self._slots

    def add(self, reservation_id: str) -> None:
        """Enters a call that is about to be reserved.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._lock:
            slot = self._free.pop() if self._free else len(self._slots)
            try:
                self._write(slot, _digest(reservation_id))
            except StoreError:
                self._free.append(slot)
                raise
            self._slots[reservation_id] = slot

    def remove(self, reservation_id: str) -> bool:
        """Crosses a call out, and tells whether it was there.

        Raises:
            StoreError: the file cannot be written, so nothing may be sent.
        """
        with self._lock:
            slot = self._slots.get(reservation_id)
            if slot is None:
                return False
            self._write(slot, _NOTHING)
            del self._slots[reservation_id]
            self._free.append(slot)
            return True

    def forget(self, reservation_id: str) -> None:
        """Lets go of a call whose reservation is not open, so that it does not matter what the file says of it."""
        with self._lock:
            slot = self._slots.pop(reservation_id, None)
            if slot is not None:
                self._free.append(slot)

    def close(self, *, remove: bool) -> None:
        """Lets go of the file.

        Args:
            remove: whether nothing is open any more that it could be asked about.
        """
        with self._lock:
            if self._file is not None:
                self._file.close()
                if remove:
                    self._path.unlink(missing_ok=True)
                self._file = None

    def _write(self, slot: int, record: bytes) -> None:
        try:
            if self._file is None:
                self._file = self._path.open("xb", buffering=0)
            self._file.seek(slot * _RECORD_BYTES)
            self._file.write(record)
            if self._flushed and record == _NOTHING:
                os.fsync(self._file.fileno())
        except OSError as error:
            reason = f"{error.strerror or error}; make room and start again, nothing settled is lost"
            raise StoreError(f"{self._path} cannot be written: {reason}") from error


class _Found(Container[str]):
    """Calls found in files."""

    def __init__(self, digests: Iterable[bytes]) -> None:
        self._digests = frozenset(digests)

    def __contains__(self, reservation_id: object) -> bool:
        return isinstance(reservation_id, str) and _digest(reservation_id) in self._digests


def unsent_calls_of(database: Path, owner_ids: Iterable[str]) -> Container[str]:
    """The calls that other owners had not sent, as far as their files are there."""
    digests: list[bytes] = []
    for owner_id in owner_ids:
        try:
            data = _place(database, owner_id).read_bytes()
        except OSError:
            continue  # he had none that waited, or nobody can say: what is not found here counts as sent
        digests += (data[start : start + _RECORD_BYTES] for start in range(0, len(data), _RECORD_BYTES))
    return _Found(digests)


def remove_stale(database: Path, alive: Container[str]) -> None:
    """Removes the files of owners that are gone and whose reservations have been ended."""
    for path in database.parent.glob(f"{database.name}-unsent-*"):
        if path.name.removeprefix(f"{database.name}-unsent-") not in alive:
            path.unlink(missing_ok=True)


def _place(database: Path, owner_id: str) -> Path:
    return database.with_name(f"{database.name}-unsent-{owner_id}")


def _digest(reservation_id: str) -> bytes:
    return blake2b(reservation_id.encode(), digest_size=_RECORD_BYTES).digest()
