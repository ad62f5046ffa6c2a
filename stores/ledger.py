"""The books of accounts and reservations within one transaction.

The transaction began with BEGIN IMMEDIATE, so nobody else writes while it lasts. What the operations concern is read
first, in two statements for a whole group; each operation is then decided in order on those figures; what changed is
added to the rows at the end. A trigger of the schema refuses an update that would let reservations pass a limit, so
that the cap does not rest on this arithmetic alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ..errors import UnknownName, UsageError
from ..records.protocols import Short
from ..records.rows import AccountRow, Limit, Reservation, Settlement, Unit
from ..records.usage import ZERO, Amount
from . import schema
from .row_table import UNITS, insert_statement

__all__ = ["Books", "Held", "check_same"]

_TOTALS = schema.ACCOUNT_TOTALS
_CHARGED, _LOST, _PAID, _RESERVED, _HELD = 0, 3, 6, 9, 12
_IN_FLIGHT, _RELEASES = 15, 16
_NOTHING = (0,) * len(_TOTALS)

_SELECT_ACCOUNTS = (
    f"SELECT account_id, parent_id, limit_unit, limit_value, measure, label, {', '.join(_TOTALS)} "
    "FROM account WHERE account_id IN (SELECT value FROM json_each(?))"
)
_SELECT_RESERVATIONS = (
    "SELECT reservation_id, account_id, reserved_tokens, reserved_weighted, reserved_usd, kind, cached, state "
    "FROM reservation WHERE "
)
_BY_ID = _SELECT_RESERVATIONS + "reservation_id IN (SELECT value FROM json_each(?))"
_BY_OWNER = _SELECT_RESERVATIONS + "state = 'open' AND owner_id IN (SELECT value FROM json_each(?))"
_UPDATE_ACCOUNT = f"UPDATE account SET {', '.join(f'{name} = {name} + ?' for name in _TOTALS)} WHERE account_id = ?"
_CLOSE_RESERVATION = (
    "UPDATE reservation SET state = ?, closed_at = ?, charged_tokens = ?, charged_weighted = ?, charged_usd = ?, "
    "lost_tokens = ?, lost_weighted = ?, lost_usd = ? WHERE reservation_id = ?"
)
_INSERT_RESERVATION = insert_statement(schema.reservation, "fail")
_INSERT_ACCOUNT = insert_statement(schema.account, "fail")


@dataclass(slots=True)
class Held:
    """A reservation as the books know it."""

    reservation_id: str
    account_id: str
    amount: Amount
    is_call: bool
    cached: bool
    state: str = "open"


@dataclass(slots=True)
class _Account:
    row: AccountRow
    totals: list[int]
    before: list[int] = field(default_factory=list)
    unit: int | None = None
    """Which of the three units the limit counts."""
    paid: bool = False

    def __post_init__(self) -> None:
        self.before = self.totals.copy()
        self.unit = None if self.row.limit is None else UNITS.index(self.row.limit.unit)
        self.paid = self.row.measure == "paid"

    def short_of(self, amount: Amount) -> Short | None:
        """Why the amount does not fit, or None."""
        if self.unit is None or self.row.limit is None:
            return None
        unit, totals = self.unit, self.totals
        spent = totals[_PAID + unit] if self.paid else totals[_CHARGED + unit] + totals[_LOST + unit]
        free = self.row.limit.value - spent - totals[_RESERVED + unit]
        needed = _units(amount)[unit]
        if needed <= free:
            return None
        held = totals[_HELD + unit]
        return Short(self.row.account_id, needed, free, totals[_RESERVED + unit] - held, held)


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
        self._accounts: dict[str, _Account] = {}
        self._held: dict[str, Held] = {}
        self._opened: list[tuple[object, ...]] = []
        self._closed: list[tuple[object, ...]] = []
        self._now = time.time()
        self.released = False
        """Whether room was given back somewhere."""

    def load(self, account_ids: Iterable[str], reservation_ids: Sequence[str]) -> None:
        """Reads what the operations to come will concern."""
        if reservation_ids:
            self._load_reservations(_BY_ID, reservation_ids)
        wanted = {*account_ids, *(held.account_id for held in self._held.values())}
        self._load_accounts(wanted)

    def open_account(self, account: AccountRow) -> None:
        """Adds an account or raises its limit, see `LedgerBackend.open_account`."""
        known = self._accounts.get(account.account_id)
        limit = account.limit
        if known is not None:
            check_same(known.row, account)
            if limit is not None and known.row.limit is not None and limit.value > known.row.limit.value:
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
        self._accounts[account.account_id] = _Account(account, [*_NOTHING])

    def reserve(self, reservation: Reservation) -> None:
        """Takes an amount, see `LedgerBackend.reserve`."""
        chain = self._chain(reservation.account_id)
        if reservation.reservation_id in self._held:
            raise UsageError(f"reservation {reservation.reservation_id!r} exists already")
        replaced = None
        if reservation.replaces is not None:
            replaced = self._held.get(reservation.replaces)
            if replaced is None or replaced.state != "open" or replaced.is_call:
                raise UnknownName("open allowance", reservation.replaces, ())
            self._move(replaced, -1)
        short = self._short(chain, reservation)
        if short is not None:
            if replaced is not None:
                self._move(replaced, +1)
            raise short
        held = Held(
            reservation.reservation_id,
            reservation.account_id,
            reservation.amount,
            reservation.kind == "call",
            reservation.cached,
        )
        self._move(held, +1)
        self._held[held.reservation_id] = held
        self._opened.append(
            (
                held.reservation_id,
                held.account_id,
                *_units(held.amount),
                self._owner_id,
                reservation.kind,
                int(held.cached),
                held.state,
                *_units(ZERO) * 2,
                self._now,
                None,
            )
        )
        if replaced is not None:
            self._close(replaced, "replaced", ZERO, ZERO)

    def settle(self, settlement: Settlement, *, whole: bool = False) -> Held | None:
        """Ends a reservation, see `LedgerBackend.settle`.

        Args:
            settlement: what it used.
            whole: all of it is lost, whatever `settlement` says.

        Returns:
            What was held, or None where the reservation had been ended before.

        Raises:
            UnknownName: it was never taken.
        """
        held = self._held.get(settlement.reservation_id)
        if held is None:
            raise UnknownName("reservation", settlement.reservation_id, ())
        if held.state != "open":
            return None
        charged, lost = (ZERO, held.amount) if whole else (settlement.charged, settlement.lost)
        self._end(held, charged, lost, "settled")
        return held

    def lose(self, owner_ids: Sequence[str]) -> int:
        """Charges as lost all calls in flight of dead owners, and returns how many reservations they held.

        An allowance is given back: nothing was sent under it, or its call would have replaced it.
        """
        self._load_reservations(_BY_OWNER, owner_ids)
        orphans = [held for held in self._held.values() if held.state == "open"]
        self._load_accounts({held.account_id for held in orphans})
        for held in orphans:
            if not held.is_call:
                self._end(held, ZERO, ZERO, "settled")
            else:
                self._end(held, ZERO, held.amount, "lost")
        self._connection.exec_driver_sql(
            "UPDATE owner SET state = 'dead' WHERE state = 'alive' AND owner_id IN (SELECT value FROM json_each(?))",
            (json.dumps(owner_ids),),
        )
        return len(orphans)

    def root_releases(self, account_id: str) -> int:
        """How many settlements the root above the account has seen."""
        return self._accounts[self._chain(account_id)[-1]].totals[_RELEASES]

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
        for account in self._accounts.values():
            if account.totals != account.before:
                delta = [now - then for now, then in zip(account.totals, account.before, strict=True)]
                changes.append((*delta, account.row.account_id))
                account.before = account.totals.copy()
        if changes:
            self._connection.exec_driver_sql(_UPDATE_ACCOUNT, changes)

    def _load_reservations(self, statement: str, keys: Sequence[str]) -> None:
        for identity, account_id, tokens, weighted, usd, kind, cached, state in self._connection.exec_driver_sql(
            statement, (json.dumps(keys),)
        ):
            amount = Amount(tokens, weighted, usd)
            self._held[identity] = Held(identity, account_id, amount, kind == "call", bool(cached), state)

    def _load_accounts(self, wanted: Iterable[str]) -> None:
        missing = {above for account_id in wanted for above in self._chains.get(account_id, (account_id,))}
        missing -= self._accounts.keys()
        while missing:
            parents = set()
            for account_id, parent_id, unit, value, measure, label, *totals in self._connection.exec_driver_sql(
                _SELECT_ACCOUNTS, (json.dumps([*missing]),)
            ):
                limit = None if unit is None else Limit(unit, value)
                self._accounts[account_id] = _Account(AccountRow(account_id, parent_id, limit, measure, label), totals)
                if parent_id is not None:
                    parents.add(parent_id)
            missing = parents - self._accounts.keys()

    def _account(self, account_id: str) -> _Account:
        try:
            return self._accounts[account_id]
        except KeyError:
            raise UnknownName("account", account_id, self._accounts) from None

    def _chain(self, account_id: str) -> tuple[str, ...]:
        self._account(account_id)
        chain = self._chains.get(account_id)
        if chain is None:
            above: list[str] = []
            current: str | None = account_id
            while current is not None:
                above.append(current)
                current = self._account(current).row.parent_id
            chain = tuple(above)
            self._chains[account_id] = chain
        return chain

    def _short(self, chain: tuple[str, ...], reservation: Reservation) -> Short | None:
        for account_id in reversed(chain):
            account = self._accounts[account_id]
            if reservation.cached and account.paid:
                continue
            short = account.short_of(reservation.amount)
            if short is not None:
                return short
        return None

    def _move(self, held: Held, sign: int) -> None:
        tokens, weighted, usd = (sign * value for value in _units(held.amount))
        for account_id in self._chain(held.account_id):
            account = self._accounts[account_id]
            if held.cached and account.paid:
                continue
            totals = account.totals
            totals[_RESERVED] += tokens
            totals[_RESERVED + 1] += weighted
            totals[_RESERVED + 2] += usd
            if held.is_call:
                totals[_IN_FLIGHT] += sign
            else:
                totals[_HELD] += tokens
                totals[_HELD + 1] += weighted
                totals[_HELD + 2] += usd

    def _end(self, held: Held, charged: Amount, lost: Amount, state: str) -> None:
        over = (charged + lost).exceeds(held.amount)
        if over:
            # The one lawful way past a limit. It is written by itself, so that the trigger, which sees only what an
            # update does as a whole, does not take it for a reservation.
            self._write_accounts()
        self._move(held, -1)
        for account_id in self._chain(held.account_id):
            totals = self._accounts[account_id].totals
            for unit, (used, gone) in enumerate(zip(_units(charged), _units(lost), strict=True)):
                totals[_CHARGED + unit] += used
                totals[_LOST + unit] += gone
                if not held.cached:
                    totals[_PAID + unit] += used + gone
        self._close(held, state, charged, lost)
        if over:
            self._write_accounts()

    def _close(self, held: Held, state: str, charged: Amount, lost: Amount) -> None:
        held.state = state
        self._closed.append((state, self._now, *_units(charged), *_units(lost), held.reservation_id))
        self._count_release(held.account_id)

    def _count_release(self, account_id: str) -> None:
        for above in self._chain(account_id):
            self._accounts[above].totals[_RELEASES] += 1
        self.released = True


def check_same(known: AccountRow, asked: AccountRow) -> None:
    """Checks that an account that exists may be opened again in this way.

    Raises:
        UsageError: it exists with another parent, measure or unit, or with a higher limit.
    """
    name = f"account {known.account_id!r} exists with "
    if known.parent_id != asked.parent_id:
        raise UsageError(f"{name}parent {known.parent_id!r}, not {asked.parent_id!r}")
    if known.measure != asked.measure:
        raise UsageError(f"{name}measure {known.measure!r}, not {asked.measure!r}")
    if known.limit == asked.limit:
        return
    if known.limit is None or asked.limit is None or known.limit.unit != asked.limit.unit:
        raise UsageError(f"{name}{_said(known.limit)}, not {_said(asked.limit)}")
    if asked.limit.value < known.limit.value:
        raise UsageError(f"{name}{_said(known.limit)}; it can only be raised, not set to {asked.limit.value:,}")


def _said(limit: Limit | None) -> str:
    return "no limit" if limit is None else f"a limit of {limit.value:,} {_NAMES[limit.unit]}"


_NAMES: dict[Unit, str] = {
    "tokens": "tokens",
    "weighted": "millionths of a weighted token",
    "usd": "billionths of a dollar",
}


def _units(amount: Amount) -> tuple[int, int, int]:
    return (amount.tokens, amount.weighted, amount.usd)
