"""The questions of the proof: eight families at all their difficulties, from generators with seeds of their own."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.families import generate

__all__ = ["ASKED", "HIDING", "World", "draw_worlds"]

ASKED: Mapping[str, range] = {
    "chains": range(1, 13),
    "composites": range(2, 7),
    "connectivity": range(1, 11),
    "extraction": range(1, 7),
    "hanoi": range(6, 10),
    "hops": range(1, 5),
    "puzzles": range(2, 9),
    "stock": range(1, 6),
}
"""Families with the difficulties that are asked, each as often. Hanoi with fewer disks has too few positions."""

HIDING = ("hops",)
"""Families whose questions do not tell how hard they are."""

_SEARCHED = "hops"
_MOST_SEARCHED = 360
"""Of the four hundred names of a world, those that are asked for."""


@dataclass(frozen=True, slots=True)
class World:
    """Questions that belong to one corpus."""

    seed: int
    """Of the generators, and of the corpus."""
    tasks: tuple[Task, ...]


def draw_worlds(count: int, seed: int, *, without: Collection[str] = ()) -> list[World]:
    """Draws as many questions of every family, in random order.

    Questions over a corpus are drawn from as many worlds as it takes; all others are in the first.

    Args:
        count: in all; a multiple of the number of families.
        seed: of the first world; others follow.
        without: identities of tasks that are not to be drawn.

    Raises:
        UsageError: the count is not such a multiple.
    """
    if count % len(ASKED) or count < len(ASKED):
        raise UsageError(f"the number of questions must be a multiple of {len(ASKED)}, the families; got {count}")
    each = count // len(ASKED)
    tasks = [task for family in ASKED if family != _SEARCHED for task in _draw(family, each, seed, without)]
    sizes = _even(each, -(-each // _MOST_SEARCHED))
    worlds = []
    for number, size in enumerate(sizes):
        asked = (tasks if number == 0 else []) + list(_draw(_SEARCHED, size, seed + number, without))
        random.Random(seed + number).shuffle(asked)
        worlds.append(World(seed + number, tuple(asked)))
    return worlds


def _draw(family: str, count: int, seed: int, without: Collection[str]) -> Iterator[Task]:
    """Questions of a family, spread evenly over its difficulties."""
    difficulties = ASKED[family]
    for difficulty, wanted in zip(difficulties, _even(count, len(difficulties)), strict=True):
        spare = 0
        while True:
            drawn = generate(family, wanted + spare, seed, difficulty)
            fresh = [task for task in drawn if task.task_id not in without]
            if len(fresh) >= wanted:
                yield from fresh[:wanted]
                break
            spare += wanted - len(fresh)


def _even(count: int, parts: int) -> list[int]:
    """So many in so many parts, as equal as can be."""
    return [count // parts + (number < count % parts) for number in range(parts)]
