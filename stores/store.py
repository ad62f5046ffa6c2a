"""All the books of a study in one SQLite file."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import StoreError, UnknownName
from ..records.accounts import check_same
from ..records.protocols import Short
from ..records.rows import (
    AccountRow,
    Balance,
    CallRow,
    Reservation,
    Settlement,
    StoredReply,
    TraceRow,
)
from .cache import ReplyMemory
from .operations import Keep, OpenAccount, Operation, Reserve, Settle
from .reader import Reader
from .releases import Releases
from .traces import TraceReader
from .unsent import UnsentCalls
from .writer import Writer

__all__ = ["HandedOver", "Store"]

_POLL_SECONDS = 0.05
"""How often a wait looks for settlements of other processes."""


class HandedOver:
    """What this process knows before, or besides, what is in the file.

    Args:
        reader: of the file.
        unsent: the calls of this process that wait.
    """

    def __init__(self, reader: Reader, unsent: UnsentCalls) -> None:
        self.unsent = unsent
        self.replies = ReplyMemory(reader.reply)
        self.releases = Releases()
        self.accounts: dict[str, AccountRow] = {}
        """Accounts on their way to the file."""

    def booked(self, operations: Iterable[Operation], released: bool) -> None:
        """The writer has booked these, and may have given room back."""
        for operation in operations:
            if isinstance(operation, Settle):
                self.unsent.forget(operation.settlement.reservation_id)
                if operation.reply is not None:
                    self.replies.booked(operation.reply, kept=operation.booked)
            elif isinstance(operation, OpenAccount):
                account = operation.account
                if self.accounts.get(account.account_id) is account:
                    del self.accounts[account.account_id]
        if released:
            self.releases.tell()


class Store(TraceReader):
    """The ledger, the reply cache and the traces in one file; implements `StudyStore`. Made by `open_store`.

    What this process handed over is seen by its own reads at once. Reservations are entered under this store's own
    owner id, whatever the caller names, because it is the end of this process that makes them lost.

    Args:
        path: of the file.
        owner: the id under which reservations are held.
        reader: to read with.
        writer: to write with, or None where nothing can be written.
        handed_over: what the writer tells of.
        read_only_reason: why nothing can be written, or an empty string.
    """

    def __init__(
        self,
        path: Path,
        owner: str,
        reader: Reader,
        writer: Writer | None,
        handed_over: HandedOver,
        read_only_reason: str = "",
    ) -> None:
        super().__init__(reader, _nothing if writer is None else writer.catch_up)
        self._path = path
        self._owner = owner
        self._writer = writer
        self._handed_over = handed_over
        self._read_only_reason = read_only_reason
        self._opening = threading.Lock()
        # Also when the program ends or forgets to close: what was handed over is booked.
        self._finalizer = weakref.finalize(self, _close, writer, reader, handed_over.unsent)

    @property
    def location(self) -> str:
        """The path."""
        return str(self._path)

    @property
    def owner(self) -> str:
        """The id under which this process holds reservations."""
        return self._owner

    @property
    def read_only_reason(self) -> str:
        """Why nothing can be written, for people; an empty string where it can."""
        return self._read_only_reason

    def make_durable(self) -> None:
        """From now on a reservation waits for the disk: money is at stake.

        Nothing changes where the store was opened with `durable=False`.
        """
        self._writing().make_durable()

    def open_account(self, account: AccountRow) -> None:
        """See `LedgerBackend.open_account`."""
        writer = self._writing()
        accounts = self._handed_over.accounts
        with self._opening:
            known = self._account(account.account_id)
            if known is not None:
                check_same(known, account)
                if known.limit == account.limit:
                    return
            elif account.parent_id is not None and self._account(account.parent_id) is None:
                raise UnknownName("account", account.parent_id, self._reader.account_names())
            accounts[account.account_id] = account
            writer.put(OpenAccount(account))

    async def reserve(self, reservation: Reservation) -> None:
        """See `LedgerBackend.reserve`.

        Raises:
            Short: it does not fit.
            UnknownName: no such account, or no such open allowance.
            StoreError: it could not be written, so no call may be sent.
        """
        loop = asyncio.get_running_loop()
        operation = Reserve(reservation, loop, loop.create_future())
        writer, unsent = self._writing(), self._handed_over.unsent
        if reservation.unsent:
            unsent.add(reservation.reservation_id)
        writer.put_urgent(operation)
        try:
            await operation.future
        except asyncio.CancelledError:
            # The caller never learns that it holds a reservation, so it sends nothing.
            writer.put(Settle(Settlement(reservation.reservation_id), withdrawn=True))
            raise
        except Exception as refused:
            unsent.forget(reservation.reservation_id)
            if isinstance(refused, Short):
                self._handed_over.releases.note(operation)
            raise

    def mark_sent(self, reservation_id: str) -> None:
        """See `LedgerBackend.mark_sent`.

        Raises:
            UnknownName: no such open reservation, so nothing may be sent under it.
            StoreError: it could not be written, or the file is gone, so the call may not be sent.
        """
        self._writing().check_place()
        if not self._handed_over.unsent.remove(reservation_id):
            raise UnknownName("unsent reservation", reservation_id, ())

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """See `LedgerBackend.settle`. Returns at once; a reservation that was never taken is told of by `flush`.

        Not so where nothing is booked: who was cancelled or failed while reserving cannot know what was taken.
        """
        writer = self._writing()
        if reply is not None:
            self._handed_over.replies.hand_over(reply)
        nothing = call is None and reply is None and settlement == Settlement(settlement.reservation_id)
        writer.put(Settle(settlement, call, reply, withdrawn=nothing))

    def balance(self, account_id: str) -> Balance:
        """See `LedgerBackend.balance`."""
        self._catch_up()
        found = self._reader.balance(account_id)
        if found is None:
            raise UnknownName("account", account_id, self._reader.account_names())
        return found

    async def wait_for_release(self, account_id: str, seconds: float) -> None:
        """See `LedgerBackend.wait_for_release`. Settlements of other processes are seen within 50 ms or so."""
        releases = self._handed_over.releases
        seen = releases.seen()
        if seen is None:
            seen = self._reader.root_releases(account_id)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._reader.root_releases(account_id) == seen:
            left = until - loop.time()
            if left <= 0 or await releases.wait(min(left, _POLL_SECONDS)):
                return

    def get(self, request_key: str) -> StoredReply | None:
        """See `ReplyCache.get`. Replies handed over but not booked yet are found."""
        return self._handed_over.replies.get(request_key)

    def record(self, row: TraceRow) -> None:
        """See `Recorder.record`."""
        self._writing().put(Keep(row))

    def conceal(self, secrets: Iterable[str]) -> None:
        """See `Recorder.conceal`."""
        if self._writer is not None:
            with self._opening:
                self._writer.conceal(secrets)

    def flush(self) -> None:
        """See `Recorder.flush`.

        Raises:
            StoreError: something could not be booked.
        """
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Books what was handed over and lets go of the file; what this store still holds counts as lost.

        Raises:
            StoreError: something could not be booked.
        """
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreError(f"{self._path} is open for reading only: {self._read_only_reason}")
        return self._writer

    def _account(self, account_id: str) -> AccountRow | None:
        # In this order, because an account is in the file before it leaves those on their way.
        return self._handed_over.accounts.get(account_id) or self._reader.account(account_id)


def _nothing() -> None:
    """Nobody writes, so there is nothing to wait for."""


def _close(writer: Writer | None, reader: Reader, unsent: UnsentCalls) -> None:
    if reader.forked:
        return  # the parent's connections are not this process's to close
    reader.close()
    try:
        if writer is not None:
            writer.close()
    finally:
        unsent.close(remove=False)
