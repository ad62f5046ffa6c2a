"""What callers hand over to the writer. An operation that fails says so to whoever waits, or to the next flush."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field

from ..records.rows import AccountRow, CallRow, Reservation, Settlement, StoredReply, TraceRow

__all__ = ["Barrier", "Keep", "OpenAccount", "Operation", "Reserve", "Settle"]


@dataclass(slots=True, eq=False)
class OpenAccount:
    """Adds an account or raises its limit."""

    account: AccountRow


@dataclass(slots=True, eq=False)
class Reserve:
    """Takes a reservation; `future` belongs to `loop`."""

    reservation: Reservation
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    error: Exception | None = None
    releases: int = 0
    """How many settlements the root account had seen when this did not fit."""


@dataclass(slots=True, eq=False)
class Settle:
    """Ends a reservation."""

    settlement: Settlement
    call: CallRow | None = None
    reply: StoredReply | None = None
    withdrawn: bool = False
    """True for a reservation that nobody waits for any more and that may never have been taken."""
    damaged: bool = False
    """True where it could not be booked as it came: all that was reserved is lost, and no row is kept."""
    booked: bool = False
    """Whether this, of several settlements of one reservation, was the one that counted."""


@dataclass(slots=True, eq=False)
class Keep:
    """Keeps a row of a trace."""

    row: TraceRow


@dataclass(slots=True, eq=False)
class Barrier:
    """Tells when everything before it has been booked."""

    done: Future[None] = field(default_factory=Future)


Operation = OpenAccount | Reserve | Settle | Keep | Barrier
