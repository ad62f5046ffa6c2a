"""Waiting until room is given back."""

from __future__ import annotations

from contextvars import ContextVar

from ..records.waiting import Waiting
from .operations import Reserve

__all__ = ["Releases"]

_SHORT_AT: ContextVar[tuple[Releases, int] | None] = ContextVar("apportion_short_at", default=None)
"""By context, because the wait may run in a task of its own, with a time limit."""


class Releases(Waiting):
    """Those who wait for a settlement, and what they had seen when their reservation did not fit."""

    def note(self, operation: Reserve) -> None:
        """Remembers how many settlements there had been when a reservation of this task did not fit.

        Between that moment and its wait a settlement may pass that it would otherwise wait for in vain.
        """
        _SHORT_AT.set((self, operation.releases))

    def seen(self) -> int | None:
        """What was noted last for this task, or for the one that started it."""
        noted = _SHORT_AT.get()
        return noted[1] if noted is not None and noted[0] is self else None
