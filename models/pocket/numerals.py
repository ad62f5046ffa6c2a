"""Numbers within bounds as texts that grow character by character."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

__all__ = ["Bounds"]

_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers from `low` to `high`, both included, as JSON writes them.

    Args:
        low: in units of the last place.
        high: in units of the last place.
        places: the most digits behind the point; 0 for integers.
    """

    low: int
    high: int
    places: int = 0

    @property
    def digits(self) -> int:
        """The most digits before the point."""
        return len(str(max(abs(self.low), abs(self.high)) // 10**self.places))

    def whole(self, text: str) -> bool:
        """Whether a text is one of the numbers."""
        return self.missing(text) == 0

    def missing(self, text: str) -> int | None:
        """The fewest characters that make a text one of the numbers; None where none do."""
        return _missing(self, text)

    def further(self, text: str) -> tuple[str, ...]:
        """The characters with which a text may go on."""
        return _further(self, text)


@lru_cache(maxsize=65_536)
def _further(bounds: Bounds, text: str) -> tuple[str, ...]:
    signs = ("-",) if not text else ()
    point = (".",) if bounds.places and "." not in text else ()
    return tuple(sign for sign in (*signs, *_DIGITS, *point) if _missing(bounds, text + sign) is not None)


@lru_cache(maxsize=65_536)
def _missing(bounds: Bounds, text: str) -> int | None:
    if not text or text == "-":
        starts = [text + digit for digit in _DIGITS] if text else [*_DIGITS, "-"]
        found = [rest + 1 for rest in (_missing(bounds, start) for start in starts) if rest is not None]
        return min(found, default=None)
    negative, digits = text.startswith("-"), text.removeprefix("-")
    whole, point, part = digits.partition(".")
    if not whole or (len(whole) > 1 and whole[0] == "0"):
        return None
    low, high = (-bounds.high, -bounds.low) if negative else (bounds.low, bounds.high)
    low = max(low, 1 if negative else 0)  # there is no -0
    costs = []
    lengthened = range(1 if point or whole == "0" else bounds.digits - len(whole) + 1)
    for more, places in product(lengthened, range(max(len(part), 1) if point else 0, bounds.places + 1)):
        # What begins so: the numbers from `begun` on, as many as `size`, of which each `step` has so many places.
        step, size = 10 ** (bounds.places - places), 10 ** (bounds.places - len(part) + more)
        begun = int(whole + part) * size
        if -(-max(low, begun) // step) * step <= min(high, begun + size - 1):
            costs.append(more + places - len(part) + (1 if places and not point else 0))
    return min(costs, default=None)
