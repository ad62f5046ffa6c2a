"""Dividing a dev set into the parts that are searched on, chosen on, and reported on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from ..errors import UsageError
from ..records.task import Task

__all__ = ["FEWEST", "Part", "split"]

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
    families: defaultdict[str, dict[str, Task]] = defaultdict(dict)
    for task in tasks:
        family = families[task.family]
        key = _hash(seed, task.task_id)
        if key in family:
            raise UsageError(f"task {task.name or task.task_id!r} is there twice; remove one")
        family[key] = task
    parts: dict[Part, dict[str, Task]] = {"fit": {}, "validation": {}, "test": {}}
    position = 0
    # The pattern goes on from one family to the next, so that families of one task each are spread as well.
    for name in sorted(families, key=lambda name: _hash(seed, name)):
        for key in sorted(families[name]):
            parts[_PATTERN[position % len(_PATTERN)]][key] = families[name][key]
            position += 1
    return {part: tuple(held[key] for key in sorted(held)) for part, held in parts.items()}


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
