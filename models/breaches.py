"""Which models are barred because their endpoints charged more than was reserved."""

from __future__ import annotations

import json
import time

from ..errors import BudgetBreach
from ..records.protocols import FactBook
from ..records.rows import FactRow
from ..records.usage import Amount
from .card import ModelCard
from .facts import content_of

__all__ = ["Breaches", "lift"]


class Breaches:
    """Bars models, for as long as the books last.

    A breach is told of a model's card as far as it bounds calls: where the card is mended, the model is tried anew.

    Args:
        facts: where breaches are kept for later processes; None keeps them for this object's life.
    """

    def __init__(self, facts: FactBook | None) -> None:
        self._facts = facts
        self._known: dict[str, BudgetBreach | None] = {}
        """By the model's name."""

    def check(self, card: ModelCard) -> None:
        """Makes sure that a model may be called.

        Raises:
            BudgetBreach: it charged more than its reservation before, in this process or an earlier one.
            StoreError: what an earlier process kept of that is damaged.
        """
        if card.name not in self._known:
            row = None if self._facts is None else self._facts.fact(card.bounds_fingerprint, "breach")
            self._known[card.name] = None if row is None or not row.content else _read(card, row)
        breach = self._known[card.name]
        if breach is not None:
            raise breach

    def add(self, card: ModelCard, bound: Amount, spent: Amount) -> BudgetBreach:
        """Bars a model from now on, and returns the error to raise."""
        known = self._known.get(card.name)
        if known is not None:
            return known
        breach = self._known[card.name] = BudgetBreach(card.name, bound.tokens, spent.tokens)
        if self._facts is not None:
            content = json.dumps({"model": card.name, "reserved": bound.tokens, "reported": spent.tokens})
            self._facts.record(FactRow(card.bounds_fingerprint, "breach", content, time.time()))
        return breach


def lift(facts: FactBook, card: ModelCard) -> bool:
    """Lifts the bar on a model whose endpoint was found to keep its cap; False where there was none."""
    row = facts.fact(card.bounds_fingerprint, "breach")
    if row is None or not row.content:
        return False
    facts.record(FactRow(row.subject, row.kind, "", time.time()))
    return True


def _read(card: ModelCard, row: FactRow) -> BudgetBreach:
    content = content_of(row, {"reserved": int, "reported": int})
    return BudgetBreach(card.name, content["reserved"], content["reported"])
