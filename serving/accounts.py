"""The accounts of a server: one for each period, below it one for each key, and below that one for each minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..budgets.cap import Cap, in_unit, smallest
from ..budgets.ledger import Ledger
from ..errors import CapReached, UsageError
from ..records.rows import AccountRow, Limit, Settlement, Unit
from ..records.usage import Amount
from ..web.refusal import Refusal
from .keys import Key
from .periods import Period, Window, minute_of, window_of

__all__ = ["Accounts"]

_ONE = Amount(tokens=1)
"""A request, on accounts that count requests."""
_MOST_OPENED = 10_000


@dataclass(frozen=True, slots=True)
class _Opened:
    """What an account is for people."""

    what: str
    unit: Unit
    limit: float
    window: Window | None
    """None of an account for a minute."""


class Accounts:
    """Opens accounts as they are needed, on the ledger's books, so that every process on them holds the same caps.

    What counts is what is paid: stored replies are free.

    Args:
        ledger: on the store's books; it counts requests.
        cap: the most that all may spend in a period, as `Cap.total`; None: they are only counted.
        period: how long a cap lasts.
        now: seconds since the epoch.
        name: of the server, which the names of its accounts begin with.
        open_account: opens what calls are charged to, where that is not the ledger's to do.
        keys: those that are known, so that a cap of theirs that does not fit the books is found at the start.

    Raises:
        UsageError: a cap of this period is on the books already, and higher or in another unit.
    """

    def __init__(
        self,
        ledger: Ledger,
        cap: Cap | None,
        period: Period,
        now: Callable[[], float] = time.time,
        *,
        name: str = "proxy",
        open_account: Callable[[AccountRow], object] | None = None,
        keys: Iterable[Key] = (),
    ) -> None:
        if cap is not None and (cap.total is None or cap.per_task is not None):
            raise UsageError("the cap of a server is for all its calls: Cap(total=...), without per_task")
        self._ledger = ledger
        self._cap = cap
        self._period = period
        self._now = now
        self._name = name
        self._open_account = open_account or ledger.backend.open_account
        self._opened: dict[str, _Opened] = {}
        window = window_of(period, now())
        root = self._open_root(window)
        for key in keys:
            self._open_key(key, window, root)

    def of(self, key: Key) -> str:
        """The account that a call of a key is charged to, now.

        Raises:
            UsageError: as the class.
        """
        window = window_of(self._period, self._now())
        account = self._open_key(key, window, self._open_root(window))
        if key.tokens_per_minute is None:
            return account
        minute, _ = minute_of(self._now())
        return self._open(
            f"{account}/{minute}",
            account,
            Limit("tokens", key.tokens_per_minute),
            _Opened(f"Key {key.name!r} in a minute", "tokens", key.tokens_per_minute, None),
        )

    async def admit(self, key: Key) -> None:
        """Counts a request of a key.

        Raises:
            Refusal: it has made as many as it may in this minute.
        """
        if key.requests_per_minute is None:
            return
        minute, left = minute_of(self._now())
        account = self._open(
            f"{self._name}/requests/{key.name}/{minute}",
            None,
            Limit("tokens", key.requests_per_minute),
            _Opened(f"key {key.name!r}", "tokens", key.requests_per_minute, None),
            self._ledger.backend.open_account,
        )
        try:
            reservation_id = await self._ledger.reserve(account, _ONE)
        except CapReached:
            message = f"Key {key.name!r} may make {key.requests_per_minute:,} requests a minute. Try again in {left} s."
            raise Refusal(429, message, code="rate_limit_exceeded", kind="requests", retry_after=left) from None
        self._ledger.settle(Settlement(reservation_id, charged=_ONE))

    def refusal(self, reached: CapReached) -> Refusal:
        """What a client is told of a call that does not fit."""
        known = self._opened.get(reached.account)
        if known is None:
            return Refusal(402, str(reached), code="cap_reached", kind="insufficient_quota", final=True)
        free, needed = (
            f"{in_unit(_amount(value, known.unit), known.unit):,.6g}" for value in (reached.free, reached.needed)
        )
        if known.window is None:
            _, left = minute_of(self._now())
            told = f"{known.what} may take {known.limit:,.6g} tokens"
            if reached.needed > known.limit:
                message = f"{told}, and this call needs up to {needed}, in any minute: a smaller max_tokens needs less."
                return Refusal(429, message, code="rate_limit_exceeded", kind="tokens", final=True)
            message = f"{told}, {free} are left, and this call needs up to {needed}. Try again in {left} s."
            return Refusal(429, message, code="rate_limit_exceeded", kind="tokens", retry_after=left)
        again = "" if known.window.ends is None else f" It begins anew at {known.window.ends:%Y-%m-%d %H:%M} UTC."
        message = (
            f"The cap of {known.what} is {known.limit:,.6g} {known.unit}, of which {free} are left, and this call "
            f"needs up to {needed}: a smaller max_tokens needs less.{again}"
        )
        return Refusal(402, message, code="cap_reached", kind="insufficient_quota", final=True)

    def _open_root(self, window: Window) -> str:
        unit, total = ("tokens", None) if self._cap is None else (self._cap.unit, self._cap.total)
        limit = None if total is None else Limit(unit, smallest(total, unit))
        return self._open(
            f"{self._name}/{window.name}", None, limit, _Opened("all calls together", unit, total or 0.0, window)
        )

    def _open_key(self, key: Key, window: Window, parent: str) -> str:
        what = f"key {key.name!r}" if key.name else "all calls"
        opened = _Opened(what, key.unit, key.cap or 0.0, window)
        return self._open(f"{parent}/{key.name or 'anybody'}", parent, key.limit, opened)

    def _open(
        self,
        account_id: str,
        parent: str | None,
        limit: Limit | None,
        opened: _Opened,
        how: Callable[[AccountRow], object] | None = None,
    ) -> str:
        if account_id not in self._opened:
            if len(self._opened) >= _MOST_OPENED:
                self._opened.clear()  # those of minutes long past; an account that is opened again is the same one
            (how or self._open_account)(AccountRow(account_id, parent, limit, "paid", opened.what))
            self._opened[account_id] = opened
        return account_id


def _amount(value: int, unit: Unit) -> Amount:
    return Amount(**{unit: value})
