"""Reading, on connections of its own, so that it never waits for the writer's transactions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import RowMapping, Select, select

from ..errors import StoreError
from ..records.accounts import FIGURES, balance_of
from ..records.rows import (
    AccountRow,
    Balance,
    Limit,
    StoredReply,
)
from . import schema
from .cache import reply_row
from .capture import not_kept
from .damage import row_damage, whole
from .database import database_errors, driver, reading_engine, schema_of
from .read_only_query import Answer, answer
from .row_table import RowTable
from .texts import unpack

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Reader"]

Row = TypeVar("Row", bound="DataclassInstance")

_REPLY = "SELECT payload, charged_tokens, charged_microweighted, charged_nanousd FROM reply WHERE request_key = ?"
_ACCOUNT = "SELECT account_id, parent_id, limit_unit, limit_value, measure, label FROM account WHERE account_id = ?"
_BALANCE = f"SELECT {', '.join(FIGURES)} FROM account WHERE account_id = ?"
_ROOT_RELEASES = (
    "WITH RECURSIVE above (account_id, parent_id, releases) AS ("
    "SELECT account_id, parent_id, releases FROM account WHERE account_id = ? "
    "UNION ALL SELECT a.account_id, a.parent_id, a.releases FROM account AS a, above "
    "WHERE a.account_id = above.parent_id) SELECT releases FROM above WHERE parent_id IS NULL"
)
_NAMES = 50
"""How many known names an error lists."""


class Reader:
    """Reads rows. May be used from any thread.

    Args:
        path: the database.
        read_only: whether the file itself is opened for reading only.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._engine = reading_engine(path, read_only=read_only)
        with database_errors(path):
            # One connection is held for look-ups by key: taking one from the pool costs more than the look-up.
            self._held = self._engine.connect()
            self._lookup = driver(self._held)
        self._lock = threading.Lock()
        self._schema = 0
        """As it was first asked for; those who read an old file ask before all else."""
        self._closed = False
        self._process_id = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is a copy in a forked process, whose connections must not be used."""
        return os.getpid() != self._process_id

    def schema(self) -> int:
        """The number of the file's schema."""
        found = schema_of(self._lookup, self._path)
        self._schema = self._schema or found
        return found

    def reply(self, request_key: str) -> StoredReply | None:
        """The cached reply under a key, or None."""
        found = self._one(_REPLY, request_key)
        if found is None:
            return None
        with row_damage(self._path, "reply", "request_key", request_key, remedy="the call is then made once more"):
            reply = reply_row(request_key, found)
            whole(reply.charged)  # whoever reads the payload finds out whether it is JSON
            return reply

    def account(self, account_id: str) -> AccountRow | None:
        """An account as it was opened, or None."""
        found = self._one(_ACCOUNT, account_id)
        if found is None:
            return None
        identity, parent_id, unit, value, measure, label = found
        with row_damage(self._path, "account", "account_id", account_id):
            limit = None if unit is None else Limit(unit, value)
            return whole(AccountRow(identity, parent_id, limit, measure, label))

    def account_names(self) -> list[str]:
        """Some of the accounts there are."""
        self._check_usable()
        with self._errors(), self._engine.connect() as connection:
            return [*connection.scalars(select(schema.account.c.account_id).limit(_NAMES))]

    def balance(self, account_id: str) -> Balance | None:
        """Where an account stands, or None where there is none of that name."""
        found = self._one(_BALANCE, account_id)
        if found is None:
            return None
        with row_damage(self._path, "account", "account_id", account_id):
            return whole(balance_of(found))

    def root_releases(self, account_id: str) -> int:
        """How many settlements the root above an account has seen."""
        found = self._one(_ROOT_RELEASES, account_id)
        return 0 if found is None else int(found[0])

    def close(self) -> None:
        """Lets go of the connections."""
        with self._lock:
            self._closed = True
            self._held.close()
        self._engine.dispose()

    def _text(self, name: str | None) -> str:
        if name is None:
            return ""
        found = self._one("SELECT content, bytes FROM text WHERE hash = ?", name)
        if found is None:
            raise ValueError(f"its text {name!r} is missing")
        content, size = found
        with row_damage(self._path, "text", "hash", name):
            return not_kept(name, size) if content is None else unpack(content)

    def _one(self, statement: str, key: str) -> tuple[Any, ...] | None:
        with self._lock, self._errors():
            self._check_usable()
            # All rows are fetched, because a statement left half read would hold on to an old state of the file.
            found = self._lookup.execute(statement, (key,)).fetchall()
        return found[0] if found else None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """As `database_errors`; what was an old file may have been brought up to date meanwhile."""
        try:
            with database_errors(self._path):
                yield
        except StoreError as error:
            if self._closed or not self._schema or self.schema() == self._schema:
                raise
            raise StoreError(f"{self._path} was brought up to date by another process; open it again") from error

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError(f"{self._path} is closed")
        if self.forked:
            raise StoreError(f"{self._path} was opened before this process was forked; open it again in each process")

    def rows(self, table: RowTable[Row], asked: Callable[[Select[Any]], Select[Any]]) -> list[Row]:
        """The rows of a table that a statement selects, given that for all of them."""
        found = self.select(asked(select(*table.table.columns)))
        return [self._decoded(table, dict(columns)) for columns in found]

    def query(self, statement: str, parameters: Sequence[Any]) -> Answer:
        """What a statement of SQL finds; nothing is changed by any."""
        self._check_usable()
        with self._errors(), self._engine.connect() as connection:
            return answer(driver(connection), statement, parameters, self._path)

    def select(self, statement: Select[Any]) -> Sequence[RowMapping]:
        """All rows of a statement's result."""
        self._check_usable()
        with self._errors(), self._engine.connect() as connection:
            return connection.execute(statement).mappings().all()

    def _decoded(self, table: RowTable[Row], columns: dict[str, Any]) -> Row:
        key, value = next(iter(columns.items()))
        with self.decoding(table.table.name, key, value):
            return whole(table.row(columns, self._text))

    def decoding(self, table: str, key: str, value: object) -> AbstractContextManager[None]:
        """While this is open, what cannot be decoded is damage to a row of this file."""
        return row_damage(self._path, table, key, value)
