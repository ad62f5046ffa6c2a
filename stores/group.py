"""A group of operations in one transaction."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..errors import UnknownName, UsageError
from ..records.protocols import Short
from ..records.redaction import Redaction
from ..records.rows import CallRow, FactRow, PartRow, PlanRow, RunRow, SpanRow, StudyRow, TaskRow, TraceRow, TrialRow
from . import schema
from .cache import reply_values
from .capture import withheld
from .keeping import kept
from .ledger import Books
from .live_owners import Owner, alive_owners, beat, dead_owners, register
from .operations import Keep, OpenAccount, Operation, Reserve, Settle
from .row_table import RowTable, insert_statement
from .texts import TextEncoder
from .unsent import UnsentCalls, remove_stale, unsent_calls_of

__all__ = ["Group"]

_REPLY = insert_statement(schema.reply, "keep")
_TEXT = (
    "INSERT INTO text (hash, bytes, content) VALUES (?, ?, ?) "
    "ON CONFLICT (hash) DO UPDATE SET content = excluded.content WHERE text.content IS NULL"
)
"""A text of which only the hash was kept is kept once somebody may."""
_TABLES: Mapping[type[TraceRow], RowTable[Any]] = {
    CallRow: schema.CALL,
    SpanRow: schema.SPAN,
    RunRow: schema.RUN,
    TrialRow: schema.TRIAL,
    StudyRow: schema.STUDY,
    PlanRow: schema.PLAN,
    TaskRow: schema.TASK,
    FactRow: schema.FACT,
    PartRow: schema.PART,
}


class Group:
    """Books groups of operations, each in a transaction of its own.

    Args:
        connection: to write with.
        path: of the database.
        owner: who holds what is reserved here.
        unsent: the calls of this owner that wait.
        texts: how texts are kept.
    """

    def __init__(
        self, connection: Connection, path: Path, owner: Owner, unsent: UnsentCalls, texts: TextEncoder
    ) -> None:
        self._connection = connection
        self._path = path
        self._owner = owner
        self._unsent = unsent
        self._chains: dict[str, tuple[str, ...]] = {}
        self._texts = texts
        self._redaction = Redaction()

    def conceal(self, secrets: Iterable[str]) -> None:
        """From now on no row is booked with one of these in it."""
        self._redaction = self._redaction.concealing(secrets)

    def book(self, operations: Sequence[Operation]) -> tuple[bool, list[Exception]]:
        """Books operations in order, all or none.

        What an operation asks in vain (a reservation that does not fit) is noted in it and spoils nothing.

        Returns:
            Whether room was released, and what is wrong with operations that nobody waits for.
        """
        rows: dict[str, list[tuple[Any, ...]]] = {}
        wrong: list[Exception] = []
        try:
            with self._connection.begin():
                books = self._books(operations)
                for operation in operations:
                    try:
                        self._apply(operation, books, rows)
                    except UsageError as error:
                        wrong.append(error)
                books.write()
                texts = self._texts.take()
                if texts:
                    rows[_TEXT] = texts
                for statement, values in rows.items():
                    self._connection.exec_driver_sql(statement, values)
        except BaseException:
            self._texts.rolled_back()
            raise
        self._texts.committed()
        return books.released, wrong

    def enter(self) -> None:
        """Registers this owner, and ends what dead owners hold."""
        with self._connection.begin():
            self._bury(dead_owners(self._connection, self._owner))
            register(self._connection, self._owner)
            alive = alive_owners(self._connection)
        remove_stale(self._path, alive)

    def keep_house(self) -> bool:
        """Renews this owner's heartbeat and ends what dead owners hold; whether there was any."""
        with self._connection.begin():
            beat(self._connection, self._owner.owner_id)
            return self._bury(dead_owners(self._connection, self._owner))

    def sweep(self) -> bool:
        """Ends what dead owners hold; whether there was any."""
        with self._connection.begin():
            return self._bury(dead_owners(self._connection, self._owner))

    def close(self) -> None:
        """Ends what this owner still holds, and enters it as closed."""
        with self._connection.begin():
            self._end([self._owner.owner_id], self._unsent)
            self._connection.exec_driver_sql(
                "UPDATE owner SET state = 'closed' WHERE owner_id = ?", (self._owner.owner_id,)
            )
        self._unsent.close(remove=True)

    def _bury(self, dead: Mapping[str, bool]) -> bool:
        known = (name for name, ended in dead.items() if ended)
        return bool(dead) and self._end([*dead], unsent_calls_of(self._path, known))

    def _end(self, owner_ids: Sequence[str], unsent: Container[str]) -> bool:
        books = Books(self._connection, self._owner.owner_id, self._chains)
        found = books.lose(owner_ids, unsent)
        books.write()
        return found > 0

    def _books(self, operations: Sequence[Operation]) -> Books:
        books = Books(self._connection, self._owner.owner_id, self._chains)
        accounts: set[str] = set()
        reservations: list[str] = []
        for operation in operations:
            match operation:
                case Reserve(reservation=reservation):
                    accounts.add(reservation.account_id)
                    if reservation.replaces is not None:
                        reservations.append(reservation.replaces)
                case Settle(settlement=settlement):
                    reservations.append(settlement.reservation_id)
                case OpenAccount(account=account):
                    accounts.add(account.account_id)
                    if account.parent_id is not None:
                        accounts.add(account.parent_id)
        if accounts or reservations:
            books.load(accounts, reservations)
        return books

    def _apply(self, operation: Operation, books: Books, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        match operation:
            case Keep(row=row):
                self._keep(row, rows)
            case Reserve():
                operation.error = None
                try:
                    books.reserve(operation.reservation)
                except Short as short:
                    operation.error = short
                    operation.releases = books.root_releases(operation.reservation.account_id)
                except UsageError as error:
                    operation.error = error
            case Settle():
                self._settle(operation, books, rows)
            case OpenAccount(account=account):
                books.open_account(account)

    def _keep(self, row: TraceRow, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        table = _TABLES[type(row)]
        rows.setdefault(table.insert, []).append(
            table.values(withheld(kept(row, self._redaction), self._texts.capture), self._texts)
        )

    def _settle(self, operation: Settle, books: Books, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        operation.booked = False
        try:
            if not books.settle(operation.settlement, whole=operation.damaged):
                return
        except UnknownName:
            if operation.withdrawn:
                return
            raise
        operation.booked = True
        if operation.damaged:
            return
        if operation.call is not None:
            self._keep(operation.call, rows)
        if operation.reply is not None and self._texts.capture == "full":
            reply = kept(operation.reply, self._redaction)
            rows.setdefault(_REPLY, []).append(reply_values(reply, time.time(), self._texts))
