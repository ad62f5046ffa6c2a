"""Counting: how often a letter occurs in a list, which may be longer than a small model's context window."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ...records.message import CANDIDATES
from ...records.task import Perfect
from ...records.text import slices
from .base import Asked, Family, drawn

__all__ = ["COUNTING", "Letters", "draw_letters", "length_of"]

_INSTRUCTIONS = (
    "Count how often the first letter occurs in the list of letters after the word in. Answer with two digits, the "
    "last two of the count (the count modulo 100), for example 07; 00 where it does not occur."
)
_LETTERS = "bcdfghijklmnpqrstuvwxyz"
"""Without a, e and o, which make syllables with others in the vocabulary of the pocket models."""
_ALPHABET = 5


@dataclass(frozen=True, slots=True)
class Letters:
    """A list of letters, and the one to count."""

    wanted: str
    listed: str

    @property
    def text(self) -> str:
        """The question."""
        return f"Count {self.wanted} in {self.listed}"

    @property
    def count(self) -> int:
        """How often the letter occurs."""
        return self.listed.count(self.wanted)

    @property
    def answer(self) -> str:
        """The count as it is to be written."""
        return f"{self.count % 100:02d}"

    @property
    def perfect(self) -> Perfect:
        """The counts of equal slices of the list, for every number of slices that a decomposer may make."""
        cut = [slices(self.listed, count) for count in range(2, min(CANDIDATES, len(self.listed)) + 1)]
        parts = [Letters(self.wanted, piece) for pieces in cut for piece in pieces]
        return Perfect(answers={part.text: part.answer for part in parts})


def length_of(difficulty: int) -> int:
    """How many letters a list has: 10, 20, 40 and so on."""
    return 10 << (difficulty - 1)


def draw_letters(rng: random.Random, length: int) -> Letters:
    """A list of so many letters out of five."""
    alphabet = rng.sample(_LETTERS, _ALPHABET)
    return Letters(alphabet[0], "".join(rng.choices(alphabet, k=length)))


def _ask(rng: random.Random, difficulty: int) -> Asked:
    letters = draw_letters(rng, length_of(difficulty))
    return Asked(letters.text, letters.answer, perfect=letters.perfect)


COUNTING = Family(
    name="counting",
    metric="numeric",
    instructions=_INSTRUCTIONS,
    dial="doublings of the list's length from ten letters",
    difficulties=range(1, 8),
    stream=drawn(_ask),
)
