"""What a ledger decides, wherever its figures are kept: whether an amount fits, and how an account may be opened."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from .protocols import Short
from .rows import SMALLEST_UNITS, UNITS, AccountRow, Balance, Limit, Reservation, Unit
from .usage import Amount

__all__ = ["FIGURES", "Account", "balance_of", "check_same", "end", "move", "reserve"]

_CHARGED, _LOST, _PAID, _RESERVED, _HELD, _IN_FLIGHT = 0, 3, 6, 9, 12, 15
FIGURES = (
    *(f"{figure}_{unit}" for figure in ("charged", "lost", "paid", "reserved", "held") for unit in SMALLEST_UNITS),
    "in_flight",
)
"""The names of an account's figures, in their order. `held` is the part of `reserved` that belongs to allowances."""
_NAMES: dict[Unit, str] = {
    "tokens": "tokens",
    "weighted": "millionths of a weighted token",
    "usd": "billionths of a dollar",
}


class Account:
    """An account and its figures.

    Whole numbers that change in place: every call books on every ancestor several times.

    Args:
        row: the account as it was opened.
        figures: whole numbers, named as in `FIGURES`; further ones of the caller's may follow. None yet where left out.
    """

    __slots__ = ("figures", "on_paid", "row", "unit")

    def __init__(self, row: AccountRow, figures: list[int] | None = None) -> None:
        self.row = row
        self.figures = [0] * len(FIGURES) if figures is None else figures
        self.on_paid = row.measure == "paid"
        """Whether replies from the cache do not count."""
        self.unit = None if row.limit is None else UNITS.index(row.limit.unit)
        """Which of the units the limit counts."""

    @property
    def balance(self) -> Balance:
        """Where it stands."""
        return balance_of(self.figures)

    def short_of(self, reservation: Reservation) -> Short | None:
        """Why a reservation does not fit, or None where it does."""
        if self.unit is None or self.row.limit is None or (reservation.cached and self.on_paid):
            return None
        unit, figures = self.unit, self.figures
        spent = figures[_PAID + unit] if self.on_paid else figures[_CHARGED + unit] + figures[_LOST + unit]
        reserved, held = figures[_RESERVED + unit], figures[_HELD + unit]
        needed, free = reservation.amount.units[unit], self.row.limit.value - spent - reserved
        return Short(self.row.account_id, needed, free, reserved - held, held) if needed > free else None


def balance_of(figures: Sequence[int]) -> Balance:
    """Where an account with these figures stands."""
    starts = (_CHARGED, _LOST, _PAID, _RESERVED)
    charged, lost, paid, reserved = (Amount(*figures[start : start + 3]) for start in starts)
    return Balance(charged, lost, paid, reserved, figures[_IN_FLIGHT])


def reserve(
    chain: Sequence[Account], reservation: Reservation, replaced: tuple[Sequence[Account], Reservation] | None = None
) -> None:
    """Takes a reservation from an account and all above it, or from none.

    Args:
        chain: the account, then those above it up to the root.
        reservation: what is taken.
        replaced: an allowance that is given back in the same step, with its own accounts.

    Raises:
        Short: it does not fit; it names the account nearest the root.
    """
    if replaced is not None:
        move(*replaced, -1)
    for account in reversed(chain):
        short = account.short_of(reservation)
        if short is not None:
            if replaced is not None:
                move(*replaced, +1)
            raise short
    move(chain, reservation, +1)


def move(chain: Sequence[Account], reservation: Reservation, sign: int) -> None:
    """Enters a reservation as open (+1) or takes it out again (-1)."""
    tokens, weighted, usd = (sign * value for value in reservation.amount.units)
    is_call = reservation.kind == "call"
    for account in chain:
        if reservation.cached and account.on_paid:
            continue
        figures = account.figures
        for first in (_RESERVED,) if is_call else (_RESERVED, _HELD):
            figures[first] += tokens
            figures[first + 1] += weighted
            figures[first + 2] += usd
        if is_call:
            figures[_IN_FLIGHT] += sign


def end(chain: Sequence[Account], reservation: Reservation, charged: Amount, lost: Amount) -> None:
    """Ends a reservation with what was used of it."""
    move(chain, reservation, -1)
    used = [*zip(charged.units, lost.units, strict=True)]
    for account in chain:
        for unit, (spent, gone) in enumerate(used):
            account.figures[_CHARGED + unit] += spent
            account.figures[_LOST + unit] += gone
            if not reservation.cached:
                account.figures[_PAID + unit] += spent + gone


def check_same(known: AccountRow, asked: AccountRow) -> bool:
    """Checks that an account that exists may be opened again in this way; whether its limit is raised by it.

    Raises:
        UsageError: it exists with another parent, measure or unit, or with a higher limit.
    """
    name = f"account {known.account_id!r} exists with "
    if known.parent_id != asked.parent_id:
        raise UsageError(f"{name}parent {known.parent_id!r}, not {asked.parent_id!r}")
    if known.measure != asked.measure:
        raise UsageError(f"{name}measure {known.measure!r}, not {asked.measure!r}")
    if known.limit == asked.limit:
        return False
    if known.limit is None or asked.limit is None or known.limit.unit != asked.limit.unit:
        raise UsageError(f"{name}{_said(known.limit)}, not {_said(asked.limit)}")
    if asked.limit.value < known.limit.value:
        raise UsageError(f"{name}{_said(known.limit)}; it can only be raised, not set to {asked.limit.value:,}")
    return True


def _said(limit: Limit | None) -> str:
    return "no limit" if limit is None else f"a limit of {limit.value:,} {_NAMES[limit.unit]}"
