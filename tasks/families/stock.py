"""Stock: many questions on one context, sums of what a list says of some names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from .base import Asked, Family, Share, share_of
from .chains import Chain
from .hops import NAMES

__all__ = ["QUESTIONS", "STOCK", "Stock", "draw_stock"]

QUESTIONS = 16
"""The most questions on one context."""
_ENTRIES = 10
_INSTRUCTIONS = (
    "The passage gives the stock of every name as two digits. Add up the stock of the names in the question from left "
    "to right; after every addition keep only the last two digits (the sum modulo 100, so 70 and 45 make 15). Answer "
    "with the two digits of the sum; for one name that is its stock."
)


@dataclass(frozen=True, slots=True)
class Stock:
    """A list of names with their numbers."""

    entries: dict[str, int]
    """In the order in which they are listed."""

    @property
    def text(self) -> str:
        """The passage."""
        return f"Stock {', '.join(f'{name} {number:02d}' for name, number in self.entries.items())}."

    def sum_of(self, names: tuple[str, ...]) -> Chain:
        """The numbers of names as a chain of additions."""
        first, *others = (self.entries[name] for name in names)
        return Chain(first, tuple(("+", number) for number in others))

    def draw_names(self, rng: random.Random, difficulty: int) -> tuple[str, ...]:
        """So many different names to be asked for."""
        return tuple(rng.sample(tuple(self.entries), difficulty))

    @staticmethod
    def question(names: tuple[str, ...]) -> str:
        """The question for the sum of names."""
        return f"Sum of {', '.join(names)}?"


def draw_stock(rng: random.Random) -> Stock:
    """Ten names with a number each."""
    return Stock({name: rng.randrange(100) for name in rng.sample(NAMES, _ENTRIES)})


def _stream(rng: random.Random, seed: int, difficulty: int, part: Share) -> Iterator[Asked]:
    while True:
        stock = draw_stock(rng)
        # The context decides, so that all questions on it have the same use.
        if share_of(stock.text) != part:
            continue
        asked: set[tuple[str, ...]] = set()
        while len(asked) < (QUESTIONS if difficulty > 1 else _ENTRIES):
            names = stock.draw_names(rng, difficulty)
            if names not in asked:
                asked.add(names)
                yield Asked(stock.question(names), f"{stock.sum_of(names).value:02d}", (stock.text,))


STOCK = Family(
    name="stock",
    metric="numeric",
    instructions=_INSTRUCTIONS,
    dial="names summed",
    difficulties=range(1, 6),
    stream=_stream,
)
