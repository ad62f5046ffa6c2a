"""Quantities as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..records.usage import Amount
    from ..serving.keys import Keys

__all__ = ["USD", "charge", "clients", "dollars", "number"]

USD = "USD/1,000"
"""The title of a column of `dollars`."""


def number(value: float) -> str:
    """A quantity for people: whole where it is large, three digits where it is small."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def dollars(per_task: float | None) -> str:
    """What a task is charged in dollars, as dollars for a thousand tasks; a dash where that is not known."""
    return "-" if per_task is None else number(1000 * per_task)


def charge(amount: Amount) -> str:
    """What calls were charged: tokens, and dollars where there are prices."""
    return f"{amount.tokens:,} tokens" + (f", {amount.usd / 1e9:.4f} USD" if amount.usd else "")


def clients(keys: Keys | None, cap: float | None, unit: str, period: str) -> str:
    """Whom a server answers, and what they may spend together."""
    who = "anybody on this machine" if keys is None else f"{len(keys.all)} {'key' if len(keys.all) == 1 else 'keys'}"
    most = "no cap" if cap is None else f"{number(cap)} {unit}" + ("" if period == "none" else f" each {period}")
    return f"{who}: {most}"
