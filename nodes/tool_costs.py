"""What a tool costs: the most of a call, stated before it, and what a call did cost, said with its result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..errors import GraphError

__all__ = ["MOST_USD", "ToolResult", "billionths", "is_priced", "price_of", "priced"]

MOST_USD = 1_000_000.0
"""The most that a call may cost."""
_DIGITS = 3
"""Of a billionth of a dollar; what is smaller is taken for an error of floating point."""
_STATED = "usd_per_call"
"""Where a function holds what is stated of it."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool may return in place of a text, to say more than that.

    Args:
        text: the result: a text, or what JSON has.
        usd: what the call cost, in dollars, at most what `priced` states; None: that, or nothing where nothing is
            stated.
        failed: whether the text says what went wrong; the same call is then made again where the model asks for it.
    """

    text: Any
    usd: float | None = None
    failed: bool = False


def priced(*, usd: float) -> Callable[[F], F]:
    """States the most that a call of a tool costs, so that caps and bounds in dollars count it.

    Before each call so much is reserved. Afterwards what the tool says that it cost is charged (`ToolResult`), all of
    it where it says nothing, and where it failed all of it is lost. Only tools of an `Agent` are paid for; elsewhere a
    function with a price is refused::

        @priced(usd=0.01)
        def search(query: str) -> str: ...

    Args:
        usd: in dollars, from 0 on.

    Raises:
        GraphError: it is no such number, or the function cannot hold it.
    """
    _checked(usd, "priced")

    def state(function: F) -> F:
        try:
            setattr(function, _STATED, usd)
        except AttributeError:
            raise GraphError(
                f"priced: {function!r:.80} cannot hold a price; wrap it in a function that is defined with `def`"
            ) from None
        return function

    return state


def price_of(function: Callable[..., Any], place: str) -> int:
    """What is stated of a function, in billionths of a dollar; 0 where nothing is.

    Of a partial that is what is stated of the function within, of an object what is stated of its `__call__`, unless
    something is stated of itself.

    Raises:
        GraphError: it is no price.
    """
    return billionths(_checked(_stated(function), f"tool {place!r}"))


def is_priced(function: Callable[..., Any]) -> bool:
    """Whether a price above 0 is stated of a function, see `price_of`."""
    stated = _stated(function)
    return isinstance(stated, int | float) and stated > 0


def _stated(function: Callable[..., Any]) -> Any:
    held: Any = function
    while not hasattr(held, _STATED) and isinstance(held, partial):
        held = held.func
    if not hasattr(held, _STATED):
        held = type(held).__call__
    return getattr(held, _STATED, 0.0)


def billionths(usd: Any) -> int:
    """Dollars as whole billionths, rounded up.

    Raises:
        ValueError: it is no number from 0 on, or too large to be one of dollars.
    """
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not 0.0 <= usd <= MOST_USD:
        raise ValueError(f"usd must be a number of dollars from 0 to {MOST_USD:,.0f}, not {usd!r:.40}")
    return math.ceil(round(usd * 1e9, _DIGITS))


def _checked(usd: Any, place: str) -> float:
    try:
        billionths(usd)
    except ValueError as wrong:
        raise GraphError(f"{place}: {wrong}") from None
    return float(usd)
