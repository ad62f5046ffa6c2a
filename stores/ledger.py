"""The books of accounts and reservations within one transaction.

The transaction began with BEGIN IMMEDIATE, so nobody else writes while it lasts. What the operations concern is read
first, in two statements for a whole group; each operation is then decided in order on those figures; what changed is
added to the rows at the end. A trigger of the schema refuses an update that would let reservations pass a limit, so
that the cap does not rest on this arithmetic alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ..errors import UnknownName, UsageError
from ..records.accounts import Account, check_same, end, reserve
from ..records.rows import AccountRow, Limit, Reservation, Settlement
from ..records.usage import ZERO, Amount
from . import schema
from .row_table import insert_statement

__all__ = ["Books"]

_TOTALS = schema.ACCOUNT_TOTALS
_RELEASES = _TOTALS.index("releases")
_NOTHING = (0,) * len(_TOTALS)

_SELECT_ACCOUNTS = (
    f"SELECT account_id, parent_id, limit_unit, limit_value, measure, label, {', '.join(_TOTALS)} "
    "FROM account WHERE account_id IN (SELECT value FROM json_each(?))"
)
_SELECT_RESERVATIONS = (
    "SELECT reservation_id, account_id, reserved_tokens, reserved_microweighted, reserved_nanousd, kind, cached, state "
    "FROM reservation WHERE "
)
_BY_ID = _SELECT_RESERVATIONS + "reservation_id IN (SELECT value FROM json_each(?))"
_BY_OWNER = _SELECT_RESERVATIONS + "state = 'open' AND owner_id IN (SELECT value FROM json_each(?))"
_UPDATE_ACCOUNT = f"UPDATE account SET {', '.join(f'{name} = {name} + ?' for name in _TOTALS)} WHERE account_id = ?"
_CLOSE_RESERVATION = (
    "UPDATE reservation SET state = ?, closed_at = ?, charged_tokens = ?, charged_microweighted = ?, "
    "charged_nanousd = ?, lost_tokens = ?, lost_microweighted = ?, lost_nanousd = ? WHERE reservation_id = ?"
)
_INSERT_RESERVATION = insert_statement(schema.reservation, "fail")
_INSERT_ACCOUNT = insert_statement(schema.account, "fail")


@dataclass(slots=True)
class _Held:
    """A reservation as the books know it."""

    reservation: Reservation
    state: str = "open"


class Books:
    """Accounts and reservations in one transaction.

    Args:
        connection: with the transaction open.
        owner_id: who holds what is reserved here.
        chains: from an account to itself and its ancestors, leaf first; kept by the caller from one transaction to
            the next, because parents never change.
    """

    def __init__(self, connection: Connection, owner_id: str, chains: dict[str, tuple[str, ...]]) -> None:
        self._connection = connection
        self._owner_id = owner_id
        self._chains = chains
        self._accounts: dict[str, Account] = {}
        self._before: dict[str, list[int]] = {}
        """Their figures as the rows have them."""
        self._held: dict[str, _Held] = {}
        self._opened: list[tuple[object, ...]] = []
        self._closed: list[tuple[object, ...]] = []
        self._now = time.time()
        self.released = False
        """Whether room was given back somewhere."""

    def load(self, account_ids: Iterable[str], reservation_ids: Sequence[str]) -> None:
        """Reads what the operations to come will concern."""
        if reservation_ids:
            self._load_reservations(_BY_ID, reservation_ids)
        wanted = {*account_ids, *(held.reservation.account_id for held in self._held.values())}
        self._load_accounts(wanted)

    def open_account(self, account: AccountRow) -> None:
        """Adds an account or raises its limit, see `LedgerBackend.open_account`."""
        known = self._accounts.get(account.account_id)
        limit = account.limit
        if known is not None:
            if check_same(known.row, account) and limit is not None:
                self._connection.exec_driver_sql(
                    "UPDATE account SET limit_value = ? WHERE account_id = ?", (limit.value, account.account_id)
                )
                known.row = account
                self._count_release(account.account_id)
            return
        if account.parent_id is not None:
            self._account(account.parent_id)
        self._connection.exec_driver_sql(
            _INSERT_ACCOUNT,
            (
                account.account_id,
                account.parent_id,
                None if limit is None else limit.unit,
                None if limit is None else limit.value,
                account.measure,
                account.label,
                *_NOTHING,
            ),
        )
        self._enter(account, [*_NOTHING])

    def reserve(self, reservation: Reservation) -> None:
        """Takes an amount, see `LedgerBackend.reserve`."""
        chain, replaced = self._chain(reservation.account_id), None
        if reservation.reservation_id in self._held:
            raise UsageError(f"reservation {reservation.reservation_id!r} exists already")
        if reservation.replaces is not None:
            replaced = self._held.get(reservation.replaces)
            if replaced is None or replaced.state != "open" or replaced.reservation.kind != "allowance":
                raise UnknownName("open allowance", reservation.replaces, ())
        given_back = None if replaced is None else (self._chain(replaced.reservation.account_id), replaced.reservation)
        reserve(chain, reservation, given_back)
        self._held[reservation.reservation_id] = _Held(reservation)
        self._opened.append(
            (
                reservation.reservation_id,
                reservation.account_id,
                *reservation.amount.units,
                self._owner_id,
                reservation.kind,
                int(reservation.cached),
                "open",
                *ZERO.units * 2,
                self._now,
                None,
            )
        )
        if replaced is not None:
            self._close(replaced, "replaced", ZERO, ZERO)

    def settle(self, settlement: Settlement, *, whole: bool = False) -> bool:
        """Ends a reservation, see `LedgerBackend.settle`.

        Args:
            settlement: what it used.
            whole: all of it is lost, whatever `settlement` says.

        Returns:
            Whether it was open; a reservation that had been ended before stays as it is.

        Raises:
            UnknownName: it was never taken.
        """
        held = self._held.get(settlement.reservation_id)
        if held is None:
            raise UnknownName("reservation", settlement.reservation_id, ())
        if held.state != "open":
            return False
        charged, lost = (ZERO, held.reservation.amount) if whole else (settlement.charged, settlement.lost)
        self._end(held, charged, lost, "settled")
        return True

    def lose(self, owner_ids: Sequence[str], unsent: Container[str]) -> int:
        """Charges as lost the calls that dead owners had sent, and returns how many reservations they held.

        An allowance is given back too: nothing was sent under it, or its call would have replaced it.

        Args:
            owner_ids: who is dead.
            unsent: the calls that were not sent.
        """
        self._load_reservations(_BY_OWNER, owner_ids)
        orphans = [held for held in self._held.values() if held.state == "open"]
        self._load_accounts({held.reservation.account_id for held in orphans})
        for held in orphans:
            if held.reservation.kind == "allowance" or held.reservation.reservation_id in unsent:
                self._end(held, ZERO, ZERO, "settled")
            else:
                self._end(held, ZERO, held.reservation.amount, "lost")
        self._connection.exec_driver_sql(
            "UPDATE owner SET state = 'dead' WHERE state = 'alive' AND owner_id IN (SELECT value FROM json_each(?))",
            (json.dumps(owner_ids),),
        )
        return len(orphans)

    def root_releases(self, account_id: str) -> int:
        """How many settlements the root above the account has seen."""
        return self._chain(account_id)[-1].figures[_RELEASES]

    def write(self) -> None:
        """Writes what changed."""
        if self._opened:
            self._connection.exec_driver_sql(_INSERT_RESERVATION, self._opened)
        if self._closed:
            self._connection.exec_driver_sql(_CLOSE_RESERVATION, self._closed)
        self._opened, self._closed = [], []
        self._write_accounts()

    def _write_accounts(self) -> None:
        changes = []
        for name, account in self._accounts.items():
            if account.figures != self._before[name]:
                delta = [now - then for now, then in zip(account.figures, self._before[name], strict=True)]
                changes.append((*delta, name))
                self._before[name] = account.figures.copy()
        if changes:
            self._connection.exec_driver_sql(_UPDATE_ACCOUNT, changes)

    def _load_reservations(self, statement: str, keys: Sequence[str]) -> None:
        for identity, account_id, tokens, weighted, usd, kind, cached, state in self._connection.exec_driver_sql(
            statement, (json.dumps(keys),)
        ):
            amount = Amount(tokens, weighted, usd)
            reservation = Reservation(identity, account_id, amount, self._owner_id, kind, bool(cached))
            self._held[identity] = _Held(reservation, state)

    def _load_accounts(self, wanted: Iterable[str]) -> None:
        missing = {above for account_id in wanted for above in self._chains.get(account_id, (account_id,))}
        missing -= self._accounts.keys()
        while missing:
            parents = set()
            for account_id, parent_id, unit, value, measure, label, *totals in self._connection.exec_driver_sql(
                _SELECT_ACCOUNTS, (json.dumps([*missing]),)
            ):
                limit = None if unit is None else Limit(unit, value)
                self._enter(AccountRow(account_id, parent_id, limit, measure, label), totals)
                if parent_id is not None:
                    parents.add(parent_id)
            missing = parents - self._accounts.keys()

    def _enter(self, row: AccountRow, figures: list[int]) -> None:
        self._accounts[row.account_id] = Account(row, figures)
        self._before[row.account_id] = figures.copy()

    def _account(self, account_id: str) -> Account:
        try:
            return self._accounts[account_id]
        except KeyError:
            raise UnknownName("account", account_id, self._accounts) from None

    def _chain(self, account_id: str) -> list[Account]:
        """The account, then those above it."""
        self._account(account_id)
        names = self._chains.get(account_id)
        if names is None:
            above: list[str] = []
            current: str | None = account_id
            while current is not None:
                above.append(current)
                current = self._account(current).row.parent_id
            names = self._chains[account_id] = tuple(above)
        return [self._accounts[name] for name in names]

    def _end(self, held: _Held, charged: Amount, lost: Amount, state: str) -> None:
        over = (charged + lost).exceeds(held.reservation.amount)
        if over:
            # The one lawful way past a limit. It is written by itself, so that the trigger, which sees only what an
            # update does as a whole, does not take it for a reservation.
            self._write_accounts()
        end(self._chain(held.reservation.account_id), held.reservation, charged, lost)
        self._close(held, state, charged, lost)
        if over:
            self._write_accounts()

    def _close(self, held: _Held, state: str, charged: Amount, lost: Amount) -> None:
        held.state = state
        self._closed.append((state, self._now, *charged.units, *lost.units, held.reservation.reservation_id))
        self._count_release(held.reservation.account_id)

    def _count_release(self, account_id: str) -> None:
        for account in self._chain(account_id):
            account.figures[_RELEASES] += 1
        self.released = True
