"""The books of accounts and reservations in this process's memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import UnknownName, UsageError
from ..records.protocols import Short
from ..records.rows import AccountRow, Balance, CallRow, Reservation, Settlement, StoredReply
from ..records.usage import ZERO, Amount
from .cap import pick
from .waiting import Waiting

__all__ = ["MemoryLedger"]


@dataclass(slots=True)
class _Account:
    row: AccountRow
    parent: _Account | None
    charged: Amount = ZERO
    lost: Amount = ZERO
    paid: Amount = ZERO
    reserved: Amount = ZERO
    in_flight: Amount = ZERO
    calls: int = 0

    def free(self) -> int | None:
        """What is left in the unit of the limit, or None without a limit."""
        limit = self.row.limit
        if limit is None:
            return None
        used = self.paid if self.row.measure == "paid" else self.charged + self.lost
        return limit.value - pick(used, limit.unit) - pick(self.reserved, limit.unit)

    def ancestry(self) -> Iterator[_Account]:
        account: _Account | None = self
        while account is not None:
            yield account
            account = account.parent


@dataclass(slots=True)
class _Books:
    accounts: dict[str, _Account] = field(default_factory=dict)
    open: dict[str, tuple[Reservation, _Account]] = field(default_factory=dict)
    """With its account, which may have been closed by the time it is settled."""


class MemoryLedger:
    """A ledger backend without durability, for runs whose caps need not outlive the process.

    Implements `LedgerBackend`. It keeps no call rows and no replies; `MemoryStore` does.
    """

    def __init__(self) -> None:
        self._books = _Books()
        self._lock = threading.Lock()
        self._waiting = Waiting()

    def open_account(self, account: AccountRow) -> None:
        """See `LedgerBackend.open_account`."""
        with self._lock:
            known = self._books.accounts.get(account.account_id)
            if known is not None:
                self._check_same(known.row, account)
                return
            parent = None if account.parent_id is None else self._account(account.parent_id)
            self._books.accounts[account.account_id] = _Account(account, parent)

    async def reserve(self, reservation: Reservation) -> None:
        """See `LedgerBackend.reserve`."""
        self.reserve_now(reservation)

    def reserve_now(self, reservation: Reservation) -> None:
        """As `reserve`, for callers that cannot await; memory never waits."""
        with self._lock:
            account = self._account(reservation.account_id)
            held = None
            if reservation.replaces is not None:
                held = self._books.open.get(reservation.replaces)
                if held is None or held[0].kind != "allowance":
                    raise UnknownName("open allowance", reservation.replaces, ())
                _put(*held, -1)
            try:
                _take(reservation, account)
            except Short:
                if held is not None:
                    _put(*held, +1)
                raise
            if reservation.replaces is not None:
                del self._books.open[reservation.replaces]
            self._books.open[reservation.reservation_id] = (reservation, account)

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """See `LedgerBackend.settle`; call rows and replies are not kept here."""
        self.settled(settlement)

    def settled(self, settlement: Settlement) -> bool:
        """As `settle`; False where the reservation was not open, so that nothing was booked."""
        with self._lock:
            held = self._books.open.pop(settlement.reservation_id, None)
            if held is None:
                return False
            _put(*held, -1)
            paid = ZERO if held[0].cached else settlement.charged + settlement.lost
            for account in held[1].ancestry():
                account.charged += settlement.charged
                account.lost += settlement.lost
                account.paid += paid
        self._waiting.tell()
        return True

    def balance(self, account_id: str) -> Balance:
        """See `LedgerBackend.balance`."""
        with self._lock:
            account = self._account(account_id)
            return Balance(account.charged, account.lost, account.paid, account.reserved, account.calls)

    def close_account(self, account_id: str) -> None:
        """Forgets an account, so that long batches do not grow; what is open on it can still be settled."""
        with self._lock:
            del self._books.accounts[account_id]

    async def wait_for_release(self, account_id: str, seconds: float) -> None:
        """See `LedgerBackend.wait_for_release`."""
        await self._waiting.wait(seconds)

    def _account(self, account_id: str) -> _Account:
        try:
            return self._books.accounts[account_id]
        except KeyError:
            raise UnknownName("account", account_id, self._books.accounts) from None

    def _check_same(self, known: AccountRow, asked: AccountRow) -> None:
        if (known.parent_id, known.measure) != (asked.parent_id, asked.measure) or (
            (known.limit is None) != (asked.limit is None)
        ):
            raise UsageError(f"account {known.account_id!r} exists with another parent, measure or kind of limit")
        if known.limit is None or asked.limit is None:
            return
        if known.limit.unit != asked.limit.unit or asked.limit.value < known.limit.value:
            raise UsageError(
                f"account {known.account_id!r} exists with a limit of {known.limit.value:,} {known.limit.unit}; "
                f"it cannot become {asked.limit.value:,} {asked.limit.unit}"
            )
        self._books.accounts[known.account_id].row = asked


def _take(reservation: Reservation, account: _Account) -> None:
    short: Short | None = None
    for ancestor in account.ancestry():
        limit = ancestor.row.limit
        free = ancestor.free()
        if limit is None or free is None or (reservation.cached and ancestor.row.measure == "paid"):
            continue
        needed = pick(reservation.amount, limit.unit)
        if needed > free:
            in_flight = pick(ancestor.in_flight, limit.unit)
            held = pick(ancestor.reserved, limit.unit) - in_flight
            short = Short(ancestor.row.account_id, needed, free, in_flight, held)
    if short is not None:
        raise short
    _put(reservation, account, +1)


def _put(reservation: Reservation, account: _Account, sign: int) -> None:
    amount = reservation.amount
    for ancestor in account.ancestry():
        if reservation.cached and ancestor.row.measure == "paid":
            continue
        ancestor.reserved = ancestor.reserved + amount if sign > 0 else ancestor.reserved - amount
        if reservation.kind == "call":
            ancestor.in_flight = ancestor.in_flight + amount if sign > 0 else ancestor.in_flight - amount
            ancestor.calls += sign
