"""What is paid beside the calls of models, such as for tools: reserved, done, settled, like these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..budgets.ledger import Ledger
from ..errors import ToolBreach
from ..records.rows import Settlement
from ..records.usage import ZERO, Amount
from .metered import Meter

__all__ = ["spend"]

T = TypeVar("T")


async def spend(
    ledger: Ledger, meter: Meter, name: str, most: int, work: Callable[[], Awaitable[tuple[T, int | None]]]
) -> T:
    """Does work that costs something, and returns what it came to.

    Work that raises, or is cancelled, may have cost all that was reserved, and is booked as lost.

    Args:
        ledger: the accounts.
        meter: of the span that pays; its account is charged.
        name: of what is paid, for messages.
        most: the most that it may cost, in billionths of a dollar.
        work: does it, and says what it cost, in the same; None where that is unknown.

    Raises:
        CapReached: it does not fit, and was not begun.
        ToolBreach: it cost more than `most`, which is booked in full.
    """
    reservation_id = await ledger.reserve(meter.account_id, Amount(usd=most))
    charged, lost = ZERO, Amount(usd=most)
    try:
        value, cost = await work()
        if cost is not None:
            charged, lost = Amount(usd=cost), ZERO
    finally:
        # Synchronous: a second cancellation must not interrupt it.
        ledger.settle(Settlement(reservation_id, charged, lost))
        meter.charged += charged
        meter.lost += lost
    if charged.usd > most:
        raise ToolBreach(name, most, charged.usd)
    return value
