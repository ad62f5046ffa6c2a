"""The books of accounts and reservations in this process's memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ..errors import UnknownName, UsageError
from ..records.protocols import Short
from ..records.rows import AccountRow, Balance, CallRow, Reservation, Settlement, StoredReply, Unit
from ..records.usage import Amount
from .waiting import Waiting

__all__ = ["MemoryLedger"]

_UNITS: tuple[Unit, ...] = ("tokens", "weighted", "usd")


class _Account:
    """An account and its figures, each a list over tokens, weighted tokens and dollars.

    Whole numbers that change in place: every call books on every ancestor several times.
    """

    __slots__ = (
        "calls",
        "chain",
        "charged",
        "in_flight",
        "limit",
        "lost",
        "on_paid",
        "paid",
        "reserved",
        "row",
        "unit",
    )

    def __init__(self, row: AccountRow, parent: _Account | None) -> None:
        self.chain: tuple[_Account, ...] = (self, *(parent.chain if parent is not None else ()))
        self.charged = [0, 0, 0]
        self.lost = [0, 0, 0]
        self.paid = [0, 0, 0]
        self.reserved = [0, 0, 0]
        self.in_flight = [0, 0, 0]
        self.calls = 0
        self.on_paid = row.measure == "paid"
        self.set_row(row)

    def set_row(self, row: AccountRow) -> None:
        """Takes the terms of a row."""
        self.row = row
        self.limit = None if row.limit is None else row.limit.value
        self.unit = 0 if row.limit is None else _UNITS.index(row.limit.unit)

    def short_of(self, amount: tuple[int, int, int]) -> Short | None:
        """Why an amount does not fit, or None where it does."""
        if self.limit is None:
            return None
        unit = self.unit
        used = self.paid[unit] if self.on_paid else self.charged[unit] + self.lost[unit]
        free = self.limit - used - self.reserved[unit]
        if amount[unit] <= free:
            return None
        in_flight = self.in_flight[unit]
        return Short(self.row.account_id, amount[unit], free, in_flight, self.reserved[unit] - in_flight)


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

    def open_shared(self, account: AccountRow) -> None:
        """As `open_account`: in memory all accounts last equally long, see `LayeredLedger.open_shared`."""
        self.open_account(account)

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
            reservation, account = held
            _put(reservation, account, -1)
            charged, lost = _whole(settlement.charged), _whole(settlement.lost)
            for ancestor in account.chain:
                for unit in range(3):
                    ancestor.charged[unit] += charged[unit]
                    ancestor.lost[unit] += lost[unit]
                    if not reservation.cached:
                        ancestor.paid[unit] += charged[unit] + lost[unit]
        self._waiting.tell()
        return True

    def balance(self, account_id: str) -> Balance:
        """See `LedgerBackend.balance`."""
        with self._lock:
            account = self._account(account_id)
            return Balance(
                charged=Amount(*account.charged),
                lost=Amount(*account.lost),
                paid=Amount(*account.paid),
                reserved=Amount(*account.reserved),
                in_flight=account.calls,
            )

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
        self._books.accounts[known.account_id].set_row(asked)


def _take(reservation: Reservation, account: _Account) -> None:
    amount = _whole(reservation.amount)
    for ancestor in reversed(account.chain):
        if reservation.cached and ancestor.on_paid:
            continue
        short = ancestor.short_of(amount)
        if short is not None:
            raise short
    _put(reservation, account, +1)


def _put(reservation: Reservation, account: _Account, sign: int) -> None:
    tokens, weighted, usd = _whole(reservation.amount)
    tokens, weighted, usd = sign * tokens, sign * weighted, sign * usd
    for ancestor in account.chain:
        if reservation.cached and ancestor.on_paid:
            continue
        figures = (ancestor.reserved, ancestor.in_flight) if reservation.kind == "call" else (ancestor.reserved,)
        for figure in figures:
            figure[0] += tokens
            figure[1] += weighted
            figure[2] += usd
        if reservation.kind == "call":
            ancestor.calls += sign


def _whole(amount: Amount) -> tuple[int, int, int]:
    return amount.tokens, amount.weighted, amount.usd
