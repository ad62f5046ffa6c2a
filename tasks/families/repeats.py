"""Repeats: the questions of a bank again and again, a few of them often, as users of a service ask them.

They are chains of two to six operations; neither the question nor its text tells the size of the bank.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from .base import Asked, Family, Share, share_of
from .chains import CHAINS, Chain, draw_chain

__all__ = ["REPEATS", "draw_bank"]

_OPERATIONS = (2, 6)


def draw_bank(rng: random.Random, difficulty: int, part: Share) -> tuple[Chain, ...]:
    """2 to the power of the difficulty different chains of a share."""
    bank: dict[str, Chain] = {}
    while len(bank) < 2**difficulty:
        chain = draw_chain(rng, rng.randint(*_OPERATIONS))
        if share_of(f"{chain.text}=") == part:
            bank[chain.text] = chain
    return tuple(bank.values())


def _stream(rng: random.Random, seed: int, difficulty: int, part: Share) -> Iterator[Asked]:
    bank = draw_bank(rng, difficulty, part)
    # Zipf's law: the k-th question of the bank is asked in proportion to 1 / k.
    weights = tuple(accumulate(1 / rank for rank in range(1, len(bank) + 1)))
    asked: Counter[str] = Counter()
    while True:
        (chain,) = rng.choices(bank, cum_weights=weights)
        asked[chain.text] += 1
        metadata = {"occurrence": asked[chain.text]}
        yield Asked(f"{chain.text}=", f"{chain.value:02d}", metadata=metadata, perfect=chain.perfect)


REPEATS = Family(
    name="repeats",
    metric="numeric",
    instructions=CHAINS.instructions,
    dial="different questions in the bank, as a power of two",
    difficulties=range(2, 7),
    stream=_stream,
)
