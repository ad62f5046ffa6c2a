"""Quantities as people read them."""

from __future__ import annotations

__all__ = ["number"]


def number(value: float) -> str:
    """A quantity for people: whole where it is large, three digits where it is small."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"
