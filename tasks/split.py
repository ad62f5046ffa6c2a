"""Dividing a dev set into the parts that are searched on, chosen on, and reported on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

from ..errors import UsageError
from ..records.task import Task

__all__ = ["FEWEST", "Part", "dealt", "split"]

T = TypeVar("T")
Part = Literal["fit", "validation", "test"]

_NOBODY: Mapping[str, str] = MappingProxyType({})
FEWEST = 4
"""Fewer tasks than this leave a part empty."""

_PATTERN: tuple[Part, ...] = ("fit", "test", "fit", "validation", "fit", "test", "fit", "validation", "fit", "test")
"""Which part takes the tasks in turn: of any ten in a row five go to fit, two to validation and three to test."""


def split(tasks: Sequence[Task], seed: int, known: Mapping[str, str] = _NOBODY) -> Mapping[Part, tuple[Task, ...]]:
    """Divides tasks 50/20/30 in fit, validation and test, within each family as well as over all.

    The search may look at fit as often as it likes; its finds are compared on validation; what is reported comes from
    test, and every read of that is to be logged.

    Who goes where depends on the tasks' content and the seed only, not on the order of the file. Each part comes in
    the order of the tasks' hashes, so that any prefix of it is a random sample of it.

    A task that has a part already keeps it, however the dev set has grown since: what was searched on must not become
    what is reported on, nor the other way round. The others are divided among themselves.

    Args:
        tasks: of the dev set.
        seed: of the division.
        known: the parts that tasks have already, by their ids.

    Raises:
        UsageError: there are fewer than `FEWEST` tasks, one is there twice, or a part has none left.
    """
    if len(tasks) < FEWEST:
        raise UsageError(
            f"{len(tasks)} tasks cannot be split in fit, validation and test; at least {FEWEST} are needed"
        )
    # The pattern goes on from one family to the next, so that families of one task each are spread as well.
    keys = [(_hash(seed, task.family), _hash(seed, task.task_id)) for task in tasks]
    fresh = {task.task_id: part for task, part in zip(tasks, dealt(keys, _PATTERN), strict=True)}
    if known.items() >= {task_id: part for task_id, part in fresh.items() if task_id in known}.items():
        known = fresh  # The same dev set, of which perhaps not every task has been seen.
    new = [number for number, task in enumerate(tasks) if task.task_id not in known]
    # The pattern goes on where it ended, so that parts keep their proportions where tasks come one at a time.
    turn = (len(tasks) - len(new)) % len(_PATTERN)
    given = dealt([keys[number] for number in new], _PATTERN[turn:] + _PATTERN[:turn])
    parts = {**known, **{tasks[number].task_id: part for number, part in zip(new, given, strict=True)}}
    held = {key: (task, parts[task.task_id]) for key, task in zip(keys, tasks, strict=True)}
    if len(held) < len(tasks):
        twice = next(task for number, task in enumerate(tasks) if keys[number] in keys[:number])
        raise UsageError(f"task {twice.name or twice.task_id!r} is there twice; remove one")
    ordered = [held[key] for key in sorted(held, key=lambda key: key[1])]
    found = {name: tuple(task for task, part in ordered if part == name) for name in get_args(Part)}
    empty = [name for name, held_by in found.items() if not held_by]
    if empty:
        raise UsageError(
            f"no task of this dev set is left for {empty[0]}: all {len(tasks)} keep the part that the database gave "
            "them before; put back tasks that were removed, add new ones, or use another database or seed"
        )
    return found


def dealt(keys: Sequence[Any], pattern: Sequence[T]) -> list[T]:
    """What falls to each when a pattern is dealt out, over and over, in the order of the keys.

    With keys that begin with a group, each group is divided in the pattern's proportions, and so is the whole.
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    turns = {number: pattern[turn % len(pattern)] for turn, number in enumerate(order)}
    return [turns[number] for number in range(len(keys))]


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
