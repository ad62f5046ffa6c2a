"""The stretch of time that a cap is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

__all__ = ["PERIODS", "Period", "Window", "minute_of", "window_of"]

Period = Literal["hour", "day", "month", "none"]
PERIODS: tuple[Period, ...] = get_args(Period)


@dataclass(frozen=True, slots=True)
class Window:
    """One hour, day or month, in UTC."""

    name: str
    """Such as 2026-11-30; the same in every process."""
    ends: datetime | None
    """When the next one begins; None: never."""


def window_of(period: Period, seconds: float) -> Window:
    """The window that a moment is in.

    Args:
        period: how long windows are; none: one for ever.
        seconds: since the epoch.
    """
    now = datetime.fromtimestamp(seconds, UTC).replace(minute=0, second=0, microsecond=0)
    match period:
        case "hour":
            return Window(f"{now:%Y-%m-%dT%H}", now + timedelta(hours=1))
        case "day":
            return Window(f"{now:%Y-%m-%d}", now.replace(hour=0) + timedelta(days=1))
        case "month":
            first = now.replace(day=1, hour=0)
            return Window(f"{now:%Y-%m}", (first + timedelta(days=31)).replace(day=1))
    return Window("all", None)


def minute_of(seconds: float) -> tuple[str, int]:
    """The minute of the clock that a moment is in, and how many seconds are left of it, at least 1."""
    now = datetime.fromtimestamp(seconds, UTC)
    return f"{now:%Y-%m-%dT%H:%M}", 60 - now.second
