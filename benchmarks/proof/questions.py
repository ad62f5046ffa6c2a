"""The questions of the proof: families at all their difficulties, from generators with seeds of their own."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from apportion import Task, UsageError, generate
from apportion.tasks.families import corpus

__all__ = ["ASKED", "HIDING", "Asked", "World", "draw_worlds", "passages_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a family."""

    difficulties: Sequence[int]
    """Each as often."""
    hides: bool = False
    """Whether its questions do not tell how hard they are."""
    of_world: int | None = None
    """The most questions about one corpus, where the family has one."""


ASKED: Mapping[str, Asked] = {
    # A question that needs no search, or three, in one wording.
    "adaptive_retrieval": Asked((0, 3), hides=True, of_world=180),
    "chains": Asked(range(1, 13)),
    "composites": Asked(range(2, 7)),
    "connectivity": Asked(range(1, 11)),
    "extraction": Asked(range(1, 7)),
    # With fewer disks there are too few positions.
    "hanoi": Asked(range(6, 10)),
    # A world has four hundred names.
    "hops": Asked(range(1, 5), hides=True, of_world=360),
    "puzzles": Asked(range(2, 9)),
    "stock": Asked(range(1, 6)),
}
"""The families, each as often. Another one is another line."""

HIDING = tuple(family for family, asked in ASKED.items() if asked.hides)
"""Families whose questions do not tell how hard they are."""


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
    searched = {family: asked.of_world for family, asked in ASKED.items() if asked.of_world is not None}
    tasks = [task for family in ASKED if family not in searched for task in _draw(family, each, seed, without)]
    # All of them are spread over all worlds, of which the family with the fewest questions a world needs most.
    sizes = _even(each, max((-(-each // most) for most in searched.values()), default=1))
    worlds, taken = [], set(without)
    for number, size in enumerate(sizes):
        asked = tasks if number == 0 else []
        asked = asked + [task for family in searched for task in _draw(family, size, seed + number, taken)]
        taken |= {task.task_id for task in asked}
        random.Random(seed + number).shuffle(asked)
        worlds.append(World(seed + number, tuple(asked)))
    return worlds


def passages_of(world: World) -> tuple[str, ...]:
    """The corpus of a world: what is searched for the questions of any of its families."""
    return tuple(dict.fromkeys(line for family in ASKED for line in corpus(family, world.seed)))


def _draw(family: str, count: int, seed: int, without: Collection[str]) -> Iterator[Task]:
    """Questions of a family, spread evenly over its difficulties."""
    difficulties = ASKED[family].difficulties
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
