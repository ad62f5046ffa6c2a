"""The books of accounts and reservations in this process's memory."""

from __future__ import annotations

import threading

from ..errors import UnknownName, UsageError
from ..records.accounts import Account, check_same, end, reserve
from ..records.rows import AccountRow, Balance, CallRow, Reservation, Settlement, StoredReply
from ..records.waiting import Waiting

__all__ = ["MemoryLedger"]

_Chain = tuple[Account, ...]
"""An account, then those above it."""


class MemoryLedger:
    """A ledger backend without durability, for runs whose caps need not outlive the process.

    Implements `LedgerBackend`. It keeps no call rows and no replies; `MemoryStore` does.
    """

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}
        self._open: dict[str, tuple[_Chain, Reservation]] = {}
        """With its accounts, which may have been closed by the time it is settled."""
        self._lock = threading.Lock()
        self._waiting = Waiting()

    def open_account(self, account: AccountRow) -> None:
        """See `LedgerBackend.open_account`."""
        with self._lock:
            known = self._chains.get(account.account_id)
            if known is not None:
                if check_same(known[0].row, account):
                    known[0].row = account
                return
            above = () if account.parent_id is None else self._chain(account.parent_id)
            self._chains[account.account_id] = (Account(account), *above)

    def open_shared(self, account: AccountRow) -> None:
        """As `open_account`: in memory all accounts last equally long, see `LayeredLedger.open_shared`."""
        self.open_account(account)

    async def reserve(self, reservation: Reservation) -> None:
        """See `LedgerBackend.reserve`."""
        self.reserve_now(reservation)

    def reserve_now(self, reservation: Reservation) -> None:
        """As `reserve`, for callers that cannot await; memory never waits."""
        with self._lock:
            chain, replaced = self._chain(reservation.account_id), None
            if reservation.reservation_id in self._open:
                raise UsageError(f"reservation {reservation.reservation_id!r} exists already")
            if reservation.replaces is not None:
                replaced = self._open.get(reservation.replaces)
                if replaced is None or replaced[1].kind != "allowance":
                    raise UnknownName("open allowance", reservation.replaces, ())
            reserve(chain, reservation, replaced)
            if reservation.replaces is not None:
                del self._open[reservation.replaces]
            self._open[reservation.reservation_id] = chain, reservation

    def mark_sent(self, reservation_id: str) -> None:
        """See `LedgerBackend.mark_sent`; what is sent dies with these books, so there is nothing to note."""
        with self._lock:
            if reservation_id not in self._open:
                raise UnknownName("open reservation", reservation_id, ())

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """See `LedgerBackend.settle`; call rows and replies are not kept here."""
        self.settled(settlement)

    def settled(self, settlement: Settlement) -> bool:
        """As `settle`; False where the reservation was not open, so that nothing was booked."""
        with self._lock:
            held = self._open.pop(settlement.reservation_id, None)
            if held is None:
                return False
            end(*held, settlement.charged, settlement.lost)
        self._waiting.tell()
        return True

    def balance(self, account_id: str) -> Balance:
        """See `LedgerBackend.balance`."""
        with self._lock:
            return self._chain(account_id)[0].balance

    def close_account(self, account_id: str) -> None:
        """Forgets an account, so that long batches do not grow; what is open on it can still be settled."""
        with self._lock:
            del self._chains[account_id]

    async def wait_for_release(self, account_id: str, seconds: float) -> None:
        """See `LedgerBackend.wait_for_release`."""
        await self._waiting.wait(seconds)

    def _chain(self, account_id: str) -> _Chain:
        try:
            return self._chains[account_id]
        except KeyError:
            raise UnknownName("account", account_id, self._chains) from None
