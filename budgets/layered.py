"""Task accounts in memory under accounts on shared books."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ..errors import UnknownName
from ..records.accounts import check_same
from ..records.protocols import LedgerBackend, Recorder, Short
from ..records.rows import AccountRow, Balance, CallRow, Reservation, Settlement, StoredReply
from .memory import MemoryLedger

__all__ = ["LayeredLedger", "SharedBooks"]


class SharedBooks(LedgerBackend, Recorder, Protocol):
    """What the lasting layer must offer: accounts, and a place for the calls."""


class LayeredLedger:
    """Keeps short-lived accounts in memory, under lasting accounts on shared books.

    A run's own account needs no durability: when its process dies, so does the run. Its parent, a batch or a study,
    does. A reservation takes from the accounts in memory and from the shared ancestors, or from none. A reply from
    the cache touches the shared books only where an account there measures what is charged, such as a batch's.

    Implements `LedgerBackend`: accounts opened by `open_account` live in memory, those by `open_shared` on the books.

    Args:
        shared: the books that last, for example a store.
    """

    def __init__(self, shared: SharedBooks) -> None:
        self._shared = shared
        self._local = MemoryLedger()
        self._lasting: dict[str, AccountRow] = {}
        self._rows: dict[str, AccountRow] = {}
        """Accounts in memory, as they were opened."""
        self._root: dict[str, str] = {}
        """By account in memory, the lasting one above it."""
        self._allowances: dict[str, Reservation] = {}
        self._on_shared: set[str] = set()

    def open_shared(self, account: AccountRow) -> None:
        """Opens an account on the shared books; its ancestors must have been opened here too.

        Raises:
            UnknownName: the parent was not opened here.
            UsageError: the account exists there with other terms.
        """
        if account.parent_id is not None and account.parent_id not in self._lasting:
            raise UnknownName("account", account.parent_id, self._lasting)
        self._shared.open_account(account)
        self._lasting[account.account_id] = account

    def open_account(self, account: AccountRow) -> None:
        """See `LedgerBackend.open_account`; it lives in memory, its parent there or on the shared books.

        Raises:
            UnknownName: the parent is on neither.
        """
        known, parent = self._rows.get(account.account_id), account.parent_id
        if known is not None:
            check_same(known, account)
        if parent in self._lasting:
            self._local.open_account(replace(account, parent_id=None))
            self._root[account.account_id] = parent
        elif parent in self._root:
            self._local.open_account(account)
            self._root[account.account_id] = self._root[parent]
        else:
            raise UnknownName("account", str(parent), [*self._lasting, *self._root])
        self._rows[account.account_id] = account

    def close_account(self, account_id: str) -> None:
        """Forgets an account in memory whose run has ended: calls in flight still settle, new ones are refused."""
        self._local.close_account(account_id)
        del self._root[account_id], self._rows[account_id]

    async def reserve(self, reservation: Reservation) -> None:
        """See `LedgerBackend.reserve`."""
        root = self._root.get(reservation.account_id)
        if root is None:
            raise UnknownName("account", reservation.account_id, self._root)
        held = None if reservation.replaces is None else self._allowances.get(reservation.replaces)
        self._local.reserve_now(reservation)
        if reservation.cached and not self._counts_cached(root):
            self._drop(held)
            return
        self._on_shared.add(reservation.reservation_id)
        try:
            await self._shared.reserve(replace(reservation, account_id=root))
        except Short:
            self._on_shared.discard(reservation.reservation_id)
            self._local.settle(Settlement(reservation.reservation_id))
            if held is not None:
                self._local.reserve_now(held)
            raise
        if held is not None:
            del self._allowances[held.reservation_id]
            self._on_shared.discard(held.reservation_id)
        if reservation.kind == "allowance":
            self._allowances[reservation.reservation_id] = reservation

    def mark_sent(self, reservation_id: str) -> None:
        """See `LedgerBackend.mark_sent`; calls are always on the shared books."""
        self._shared.mark_sent(reservation_id)

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """See `LedgerBackend.settle`."""
        open_here = self._local.settled(settlement)
        self._allowances.pop(settlement.reservation_id, None)
        if settlement.reservation_id in self._on_shared:
            self._on_shared.discard(settlement.reservation_id)
            self._shared.settle(settlement, call, reply)
        elif open_here and call is not None:
            self._shared.record(call)

    def balance(self, account_id: str) -> Balance:
        """See `LedgerBackend.balance`."""
        if account_id in self._lasting:
            return self._shared.balance(account_id)
        return self._local.balance(account_id)

    async def wait_for_release(self, account_id: str, seconds: float) -> None:
        """See `LedgerBackend.wait_for_release`."""
        if account_id in self._root:
            await self._local.wait_for_release(account_id, seconds)
        else:
            await self._shared.wait_for_release(account_id, seconds)

    def _counts_cached(self, account_id: str) -> bool:
        """Whether a reply from the cache counts on the shared books."""
        account: AccountRow | None = self._lasting[account_id]
        while account is not None:
            if account.measure == "charged":
                return True
            account = None if account.parent_id is None else self._lasting[account.parent_id]
        return False

    def _drop(self, held: Reservation | None) -> None:
        """Gives an allowance back on the shared books whose room in memory a cached reply has taken."""
        if held is not None:
            del self._allowances[held.reservation_id]
            self._on_shared.discard(held.reservation_id)
            self._shared.settle(Settlement(held.reservation_id))
