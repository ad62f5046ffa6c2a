"""The only way to a model: reserve an upper bound, call, settle."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from ..errors import CapReached
from ..records.protocols import LedgerBackend, Short
from ..records.rows import AccountRow, Balance, CallRow, Limit, Measure, Reservation, Settlement, StoredReply
from ..records.usage import Amount

__all__ = ["Ledger"]

_POLL_SECONDS = 0.25
"""How long to wait for another process's settlement before asking again."""


@dataclass(slots=True)
class _Line:
    """Those who wait for room on one account, first come first served."""

    head: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Ledger:
    """Accounts and reservations over a backend, with the waiting that fairness asks for.

    Args:
        backend: where the books are kept.
        owner: the id under which this process holds reservations.
    """

    def __init__(self, backend: LedgerBackend, owner: str) -> None:
        self._backend = backend
        self._owner = owner
        self._lines: dict[tuple[asyncio.AbstractEventLoop, str], _Line] = {}

    @property
    def backend(self) -> LedgerBackend:
        """Where the books are kept."""
        return self._backend

    def open(
        self,
        account_id: str,
        *,
        parent: str | None = None,
        limit: Limit | None = None,
        measure: Measure = "charged",
        label: str = "",
    ) -> str:
        """Opens an account, or finds it again, and returns its id."""
        self._backend.open_account(AccountRow(account_id, parent, limit, measure, label))
        return account_id

    async def reserve(
        self,
        account_id: str,
        amount: Amount,
        *,
        cached: bool = False,
        replaces: str | None = None,
        unsent: bool = False,
    ) -> str:
        """Reserves for a call and returns the reservation's id.

        Where the amount does not fit now but calls in flight may give room back, waits for them.

        Args:
            account_id: what is charged.
            amount: the most that the call can cost.
            cached: whether the reply is known already.
            replaces: a held allowance whose room this call may use.
            unsent: whether `mark_sent` will say when the call leaves.

        Raises:
            CapReached: it does not fit, and nothing can be released.
        """
        return await self._in_line(
            Reservation(_new_id(), account_id, amount, self._owner, "call", cached, replaces, unsent)
        )

    def mark_sent(self, reservation_id: str) -> None:
        """Notes that a call leaves now, see `LedgerBackend.mark_sent`."""
        self._backend.mark_sent(reservation_id)

    async def hold(self, account_id: str, amount: Amount, *, for_allowances: bool = True) -> str:
        """Holds an allowance that no other call can take, and returns its id.

        For the start of a run, once.

        Args:
            account_id: of the run.
            amount: what is held.
            for_allowances: where it does not fit now, whether it also waits for the allowances of other runs. Those
                must go on without waiting for this one.

        Raises:
            CapReached: it does not fit, and nothing can be released.
        """
        # Not in line with calls: it may wait for an allowance whose run has calls to make first.
        reservation = Reservation(_new_id(), account_id, amount, self._owner, "allowance")
        return await self._wait(reservation, for_allowances=for_allowances)

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """Ends a reservation; the second time nothing happens."""
        self._backend.settle(settlement, call, reply)

    def release(self, reservation_id: str) -> None:
        """Ends a reservation of which it is certain that nothing was billed."""
        self._backend.settle(Settlement(reservation_id))

    def balance(self, account_id: str) -> Balance:
        """Where an account stands."""
        return self._backend.balance(account_id)

    async def _in_line(self, reservation: Reservation) -> str:
        """Reserves, in the order in which an account was asked.

        Nothing overtakes what waits on the same account: what fits then depends on the order of the requests and not
        on how long calls take, so that a run under a cap decides alike whether its replies are in the cache or not.
        """
        key = (asyncio.get_running_loop(), reservation.account_id)
        if key not in self._lines:
            try:
                return await self._try(reservation)
            except Short as short:
                _check_waiting_helps(short, for_allowances=False)
        line = self._lines.setdefault(key, _Line())
        line.length += 1
        try:
            async with line.head:
                return await self._wait(reservation)
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[key]

    async def _wait(self, reservation: Reservation, *, for_allowances: bool = False) -> str:
        while True:
            try:
                return await self._try(reservation)
            except Short as short:
                _check_waiting_helps(short, for_allowances=for_allowances)
                await self._backend.wait_for_release(short.account_id, _POLL_SECONDS)

    async def _try(self, reservation: Reservation) -> str:
        try:
            await self._backend.reserve(reservation)
        except Short:
            raise
        except BaseException:
            # The reservation may have been booked before the caller was cancelled; nothing was sent under it.
            self._backend.settle(Settlement(reservation.reservation_id))
            raise
        return reservation.reservation_id


def _check_waiting_helps(short: Short, *, for_allowances: bool) -> None:
    coming_back = short.releasable + (short.held if for_allowances else 0)
    if short.needed > short.free + coming_back:
        raise CapReached(short.account_id, short.needed, short.free) from None


def _new_id() -> str:
    return os.urandom(16).hex()
