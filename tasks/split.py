"""Dividing a dev set into the parts that are searched on, chosen on, and reported on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args

from ..errors import UsageError
from ..records.task import Task

__all__ = ["FEWEST", "Part", "dealt", "split"]

T = TypeVar("T")
Part = Literal["fit", "validation", "test"]

FEWEST = 4
"""Fewer tasks than this leave a part empty."""

_PATTERN: tuple[Part, ...] = ("fit", "test", "fit", "validation", "fit", "test", "fit", "validation", "fit", "test")
"""Which part takes the tasks in turn: of any ten in a row five go to fit, two to validation and three to test."""


def split(tasks: Sequence[Task], seed: int) -> Mapping[Part, tuple[Task, ...]]:
    """Divides tasks 50/20/30 in fit, validation and test, within each family as well as over all.

    The search may look at fit as often as it likes; its finds are compared on validation; what is reported comes from
    test, and every read of that is to be logged.

    Who goes where depends on the tasks' content and the seed only, not on the order of the file. Each part comes in
    the order of the tasks' hashes, so that any prefix of it is a random sample of it.

    Raises:
        UsageError: there are fewer than `FEWEST` tasks, or one is there twice.
    """
    if len(tasks) < FEWEST:
        raise UsageError(
            f"{len(tasks)} tasks cannot be split in fit, validation and test; at least {FEWEST} are needed"
        )
    # The pattern goes on from one family to the next, so that families of one task each are spread as well.
    keys = [(_hash(seed, task.family), _hash(seed, task.task_id)) for task in tasks]
    held = {key: (task, part) for key, task, part in zip(keys, tasks, dealt(keys, _PATTERN), strict=True)}
    if len(held) < len(tasks):
        twice = next(task for number, task in enumerate(tasks) if keys[number] in keys[:number])
        raise UsageError(f"task {twice.name or twice.task_id!r} is there twice; remove one")
    ordered = [held[key] for key in sorted(held, key=lambda key: key[1])]
    return {name: tuple(task for task, part in ordered if part == name) for name in get_args(Part)}


def dealt(keys: Sequence[Any], pattern: Sequence[T]) -> list[T]:
    """What falls to each when a pattern is dealt out, over and over, in the order of the keys.

    With keys that begin with a group, each group is divided in the pattern's proportions, and so is the whole.
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    turns = {number: pattern[turn % len(pattern)] for turn, number in enumerate(order)}
    return [turns[number] for number in range(len(keys))]


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
