"""Connectivity: two directed paths, their arrows shuffled; where does the path from a letter end?

The task that separates depth from breadth: a step depends on the one before, so a vote over short answers does not
help where the path is long (after the two-path problem in "Let Me Think!", Mirtaheri et al., 2025).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

from .base import Asked, Family, drawn

__all__ = ["CONNECTIVITY", "Arrows", "draw_arrows"]

_INSTRUCTIONS = (
    "Each arrow leads from one letter to another. The arrows make two separate paths; every letter has at most one "
    "arrow out of it. Follow the arrows from the given letter until no arrow leads on. Answer with the letter where "
    "the path ends."
)
_LETTERS = "bcdfghijklmnpqrstuvwxyz"
"""Without a, e and o, which make syllables with others in the vocabulary of the pocket models."""


@dataclass(frozen=True, slots=True)
class Arrows:
    """Arrows in the order in which they are listed, and the path that is asked for."""

    listed: tuple[str, ...]
    """`b>c` for each arrow of both paths."""
    path: str
    """The letters from the start to the end, in order."""

    @property
    def text(self) -> str:
        """The question."""
        return f"Arrows {' '.join(self.listed)}. From {self.path[0]}?"

    @property
    def followed(self) -> tuple[str, ...]:
        """The arrows of the path in order."""
        return _arrows(self.path)

    @property
    def end(self) -> str:
        """Where the path ends."""
        return self.path[-1]


def _arrows(path: str) -> tuple[str, ...]:
    return tuple(f"{tail}>{head}" for tail, head in pairwise(path))


def draw_arrows(rng: random.Random, difficulty: int) -> Arrows:
    """Two paths of so many arrows each, all letters different; the first of them is asked for."""
    letters = "".join(rng.sample(_LETTERS, 2 * (difficulty + 1)))
    path, other = letters[: difficulty + 1], letters[difficulty + 1 :]
    listed = [*_arrows(path), *_arrows(other)]
    rng.shuffle(listed)
    return Arrows(tuple(listed), path)


def _ask(rng: random.Random, difficulty: int) -> Asked:
    arrows = draw_arrows(rng, difficulty)
    return Asked(arrows.text, arrows.end)


CONNECTIVITY = Family(
    name="connectivity",
    metric="exact",
    instructions=_INSTRUCTIONS,
    dial="arrows a path",
    difficulties=range(1, 11),
    stream=drawn(_ask),
)
