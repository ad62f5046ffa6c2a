"""Hanoi: the next move of the shortest way from a position of the disks to all of them on one peg."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from .base import Asked, Family, Share, share_of

__all__ = ["HANOI", "Pegs", "draw_pegs"]

_PEGS = "abc"
_INSTRUCTIONS = (
    "Towers of Hanoi with three pegs a, b and c. The letters say on which peg each disk is, the smallest disk first; "
    "disks are numbered from 1, the smallest. One disk is moved at a time, the uppermost of its peg, and never onto a "
    "smaller one. All disks are to get to the peg at the end of the question in as few moves as possible. Answer with "
    "the next move: the disk's number and the peg it moves to, for example 1b."
)


@dataclass(frozen=True, slots=True)
class Pegs:
    """A position that is not finished, and where all disks are to go."""

    places: str
    """The peg of each disk, the smallest first."""
    target: str

    @property
    def text(self) -> str:
        """The question."""
        return f"Pegs {self.places}. All to {self.target}?"

    @property
    def goals(self) -> str:
        """The peg that each disk is to be on before the next move of a larger one, the smallest first.

        A disk that is not on its goal moves there when all smaller ones are on the third peg.
        """
        goal, goals = self.target, ""
        for place in reversed(self.places):
            goals = goal + goals
            if place != goal:
                goal = next(peg for peg in _PEGS if peg not in (place, goal))
        return goals

    @property
    def move(self) -> str:
        """The next move: the smallest disk that is not on its goal goes there."""
        pairs = zip(self.places, self.goals, strict=True)
        return next(f"{disk}{goal}" for disk, (place, goal) in enumerate(pairs, start=1) if place != goal)


def draw_pegs(rng: random.Random, difficulty: int) -> Pegs:
    """A position of so many disks that is not finished, and a target."""
    while True:
        places, target = "".join(rng.choices(_PEGS, k=difficulty)), rng.choice(_PEGS)
        if places != target * difficulty:
            return Pegs(places, target)


def _numbered(number: int, disks: int) -> Pegs:
    """The position whose places and target are the ternary digits of a number."""
    pegs = "".join(_PEGS[number // 3**place % 3] for place in range(disks + 1))
    return Pegs(pegs[:-1], pegs[-1])


def _stream(rng: random.Random, seed: int, difficulty: int, part: Share) -> Iterator[Asked]:
    numbers = list(range(3 ** (difficulty + 1)))
    rng.shuffle(numbers)
    for number in numbers:
        pegs = _numbered(number, difficulty)
        if pegs.places != pegs.target * difficulty and share_of(pegs.text) == part:
            yield Asked(pegs.text, pegs.move)


HANOI = Family(
    name="hanoi",
    metric="exact",
    instructions=_INSTRUCTIONS,
    dial="disks",
    # Fewer disks have fewer questions than disjoint shares need: three have 78 in all.
    difficulties=range(4, 10),
    stream=_stream,
)
