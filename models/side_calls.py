"""Calls beside all runs, made to find something out about a model."""

from __future__ import annotations

from ..budgets.books import MemoryStore
from ..budgets.ledger import Ledger
from ..records.rows import Limit
from ..records.usage import Amount
from .base import Model
from .metered import Meter, MeteredCaller
from .pool import Pool
from .request import Reply, Request

__all__ = ["SideCalls"]


class SideCalls:
    """Calls made to find something out, under a small cap of their own.

    Args:
        cap: the most tokens that all of them may take.
    """

    def __init__(self, cap: int) -> None:
        self._store = MemoryStore()
        self._ledger = Ledger(self._store, "side")
        self._ledger.open("side", limit=Limit("tokens", cap), measure="paid")
        self._meter = Meter("side", "side", "side")

    async def ask(self, model: Model, request: Request) -> Reply:
        """Asks a model once, whatever is known of earlier breaches.

        Raises:
            CapReached, CallFailed, BudgetBreach: as `MeteredCaller.call`.
        """
        caller = MeteredCaller(Pool([model]), self._ledger, self._store)
        return await caller.call(request, self._meter)

    @property
    def charged(self) -> Amount:
        """What the calls so far came to, calls that failed included."""
        return self._meter.charged + self._meter.lost

    @property
    def calls(self) -> int:
        """How many attempts were made."""
        return self._meter.calls
