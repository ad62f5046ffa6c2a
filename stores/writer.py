"""The one thread of a process that writes: it gathers what callers hand over and books it group by group.

A caller that waits (a reservation, a flush) wakes the thread at once. What nobody waits for lingers a few
milliseconds, so that it shares a transaction, and on a durable ledger a disk flush, with what comes next.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..errors import StoreError
from ..records.protocols import Short
from .database import driver, explained, identity
from .group import Group
from .live_owners import HEARTBEAT_SECONDS
from .lock import TurnLock
from .operations import Barrier, Keep, Operation, Reserve, Settle
from .write_ahead_log import WriteAheadLog

__all__ = ["Writer"]

_GROUP = 256
"""The most operations in one transaction."""
_LINGER_SECONDS = 0.005
_GATHER_SECONDS = 0.001
"""The longest wait for callers who were answered together and will ask again together; at most a quarter of what the
last transaction took, so that on a fast disk it is nearly nothing."""
_IDLE_SECONDS = 1.0
"""After which a writer without work looks after the log."""
_SWEEP_SECONDS = 0.5
"""How often dead owners are looked for while a reservation does not fit."""
_UNAVAILABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}
"""Errors of the place, not of an operation: what nobody waits for is kept and tried again."""


class Writer:
    """Books operations in the order in which they are handed over.

    Args:
        path: the database, for messages.
        connection: to write with; this thread's alone from now on.
        turn: the lock that lets processes write in turn.
        group: books what is handed over, on that connection.
        durable: whether a commit of the ledger waits for the disk; transactions that hold only traces never do.
            False for good, None until `make_durable`.
        on_commit: called on this thread with the operations that were booked and whether room was released.
    """

    def __init__(
        self,
        path: Path,
        connection: Connection,
        turn: TurnLock,
        group: Group,
        *,
        durable: bool | None,
        on_commit: Callable[[Iterable[Operation], bool], None],
    ) -> None:
        self._path = path
        self._place = identity(path)
        self._connection = connection
        self._driver = driver(connection)
        self._turn = turn
        self._on_commit = on_commit
        self._group = group
        self._may_be_durable = durable is not False
        self._durable = bool(durable)
        self._synchronous = "NORMAL"
        self._queue: deque[Operation] = deque()
        self._handing_over = threading.Lock()
        """Nothing is handed over after closing began, so nobody waits for an answer that never comes."""
        self._gather = 0.0
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._singly = 0
        """How many operations at the head are booked one at a time, because one of them spoiled their group."""
        self._busy = False
        self._closing = False
        self._errors: list[Exception] = []
        self._trouble: StoreError | None = None
        """Why the place was unavailable last."""
        self._process_id = os.getpid()
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self._next_sweep = 0.0
        self._log = WriteAheadLog(path, self._driver, turn)
        self._thread = threading.Thread(target=self._run, name=f"apportion-writer {path.name}", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Hands over what nobody waits for."""
        with self._handing_over:
            if self._closing or os.getpid() != self._process_id:
                self._refuse()
            self._queue.append(operation)
        if not self._work.is_set():
            self._work.set()

    def put_urgent(self, operation: Operation) -> None:
        """Hands over what a caller waits for."""
        self.put(operation)
        self._urgent.set()

    def conceal(self, secrets: Iterable[str]) -> None:
        """See `Recorder.conceal`; one caller at a time."""
        self._group.conceal(secrets)

    @property
    def idle(self) -> bool:
        """Whether everything handed over has been booked."""
        return not self._queue and not self._busy

    def make_durable(self) -> None:
        """From the next transaction on, a commit of the ledger waits for the disk."""
        self._durable = self._may_be_durable

    def flush(self) -> None:
        """Waits until everything handed over is booked.

        Raises:
            StoreError: something could not be.
        """
        barrier = Barrier()
        self.put_urgent(barrier)
        barrier.done.result()
        if self._errors:
            errors, self._errors = self._errors, []
            raise self._summary(errors)

    def catch_up(self) -> None:
        """As `flush`, but leaves errors for the next flush to tell, so that one can read on what is booked."""
        if self.idle:
            return
        barrier = Barrier()
        self.put_urgent(barrier)
        # `exception` waits too.
        barrier.done.exception()

    def close(self) -> None:
        """Books what is left, ends the thread and lets go of the connection.

        Raises:
            StoreError: something could not be booked.
        """
        with self._handing_over:
            self._closing = True
        self._work.set()
        self._urgent.set()
        self._thread.join()
        if self._errors:
            errors, self._errors = self._errors, []
            raise self._summary(errors)

    def _refuse(self) -> None:
        if os.getpid() != self._process_id:
            raise StoreError(f"{self._path} was opened before this process was forked; open it again in each process")
        raise StoreError(f"{self._path} is closed")

    def _summary(self, errors: list[Exception]) -> StoreError:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        summary = StoreError(f"not everything could be booked: {errors[0]}{more}")
        summary.__cause__ = errors[0]
        return summary

    def _run(self) -> None:
        try:
            while not self._closing:
                if self._work.wait(min(_IDLE_SECONDS, max(0.0, self._next_beat - time.monotonic()))):
                    if not self._closing:
                        self._urgent.wait(_LINGER_SECONDS)
                    # Cleared before the queue is emptied: who hands over later sets it again.
                    self._work.clear()
                    self._urgent.clear()
                else:
                    self._log.move()
                self._step()
                if time.monotonic() >= self._next_beat:
                    self._keep_house()
            self._finish()
        except BaseException as error:
            # The last frame of the thread: whoever waits must hear of it before it ends.
            with self._handing_over:
                self._closing = True
            told = StoreError(f"{self._path}: the writer stopped: {error!r}")
            self._errors.append(told)
            self._postpone([], told)
            raise
        finally:
            self._connection.close()
            self._turn.close()

    def _step(self) -> None:
        self._busy = True
        while self._queue:
            if self._gather:
                time.sleep(self._gather)
            size = _GROUP if self._singly == 0 else 1
            group: list[Operation] = []
            while self._queue and len(group) < size:
                group.append(self._queue.popleft())
            self._singly = max(0, self._singly - 1)
            if not self._book(group):
                break
            self._log.bound()
        self._busy = False

    def _book(self, group: list[Operation]) -> bool:
        """Books a group, or sees to it that each is booked by itself. False where the place is unavailable."""
        try:
            self.check_place()
            released = self._transact(group)
        except StoreError as gone:
            self._postpone(group, gone)
            return False
        except DBAPIError as error:
            if _unavailable(error):
                self._postpone(group, explained(self._path, error))
                return False
            self._spoiled(group, error)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # A row that cannot be encoded is its caller's mistake and must not cost the others theirs.
            self._spoiled(group, error)
        else:
            self._deliver(group, released)
        return True

    def check_place(self) -> None:
        """Checks that what is booked is booked where it can be found; may be called from any thread.

        Raises:
            StoreError: the file was deleted, moved or replaced.
        """
        if identity(self._path) != self._place:
            raise StoreError(
                f"{self._path} was deleted, moved or replaced while it was open; nothing more is sent, and what was "
                "not booked before is not kept. Put it back, or name a new file, and start again"
            )

    def _spoiled(self, group: list[Operation], error: Exception) -> None:
        if len(group) > 1:
            self._queue.extendleft(reversed(group))
            self._singly = len(group)
            return
        cause = error.orig if isinstance(error, DBAPIError) else error
        told = StoreError(f"{self._path}: {type(group[0]).__name__} cannot be booked: {cause!r}")
        told.__cause__ = error
        operation = group[0]
        if isinstance(operation, Settle):
            operation.booked = False
        if not _fail(operation, told):
            self._on_commit(group, False)
            self._errors.append(told)
        if isinstance(operation, Settle) and not operation.damaged:
            # Left open, the reservation would keep others waiting for room that never comes back.
            self._queue.appendleft(Settle(operation.settlement, withdrawn=operation.withdrawn, damaged=True))

    def _transact(self, group: list[Operation]) -> bool:
        if all(isinstance(operation, Barrier) for operation in group):
            return False
        ledger = any(not isinstance(operation, Keep | Barrier) for operation in group)
        began = time.monotonic()
        with self._turn.held():
            self._set_synchronous("FULL" if self._durable and ledger else "NORMAL")
            released, wrong = self._group.book(group)
        waiting = sum(isinstance(operation, Reserve) for operation in group)
        seconds = (time.monotonic() - began) / 4
        self._gather = min(_GATHER_SECONDS, seconds) if waiting > 1 else 0.0
        self._errors += wrong
        return released

    def _set_synchronous(self, level: str) -> None:
        if level != self._synchronous:
            self._driver.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _deliver(self, group: list[Operation], released: bool) -> None:
        self._on_commit(group, released)
        answers: dict[asyncio.AbstractEventLoop, list[Reserve]] = {}
        waiting = False
        for operation in group:
            if isinstance(operation, Reserve):
                answers.setdefault(operation.loop, []).append(operation)
                short = operation.error
                waiting = waiting or (isinstance(short, Short) and short.releasable + short.held > 0)
            elif isinstance(operation, Barrier):
                operation.done.set_result(None)
        for loop, operations in answers.items():
            _answer(loop, operations)
        if waiting and time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_SECONDS
            self._look_after(self._group.sweep)

    def _postpone(self, group: list[Operation], told: StoreError) -> None:
        """Tells those who wait that the place is unavailable, and keeps the rest for the next try."""
        self._trouble = told
        pending = [*group]
        while self._queue:
            pending.append(self._queue.popleft())
        self._queue.extend(operation for operation in pending if not _fail(operation, told))

    def _keep_house(self) -> None:
        self._next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self._look_after(self._group.keep_house)

    def _look_after(self, duty: Callable[[], bool]) -> None:
        try:
            with self._turn.held():
                found = duty()
        except DBAPIError as error:
            if not _unavailable(error):
                raise
            # Nobody waits for this; it is due again in a moment, and operations tell of the trouble.
            return
        if found:
            self._on_commit((), True)

    def _finish(self) -> None:
        self._step()
        if self._queue:
            left = f"{len(self._queue)} operations could not be booked; what was reserved for them will count as lost"
            self._errors.append(StoreError(f"{self._trouble} ({left})"))
            return
        try:
            with self._turn.held():
                self._set_synchronous("FULL" if self._durable else "NORMAL")
                self._group.close()
            self._driver.execute("PRAGMA busy_timeout = 1000")
            self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (DBAPIError, sqlite3.OperationalError) as error:
            self._errors.append(explained(self._path, error))


def _unavailable(error: DBAPIError) -> bool:
    return ((getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF) in _UNAVAILABLE


def _fail(operation: Operation, error: StoreError) -> bool:
    """Tells whoever waits for the operation; False where nobody does."""
    if isinstance(operation, Reserve):
        operation.error = error
        _answer(operation.loop, [operation])
    elif isinstance(operation, Barrier):
        operation.done.set_exception(error)
    else:
        return False
    return True


def _answer(loop: asyncio.AbstractEventLoop, operations: list[Reserve]) -> None:
    def set_results() -> None:
        for operation in operations:
            if operation.future.done():
                continue  # cancelled; who cancelled it withdraws the reservation
            if operation.error is None:
                operation.future.set_result(None)
            else:
                operation.future.set_exception(operation.error)

    try:
        loop.call_soon_threadsafe(set_results)
    except RuntimeError:
        # A loop that is closed has nobody left who waits.
        if not loop.is_closed():
            raise
