"""Dividing a dev set into the parts that are searched on, chosen on, and reported on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

from ..errors import UsageError
from ..records.task import Task
from .clusters import task_clusters
from .dealing import dealt_together, grouped

__all__ = ["FEWEST", "Part", "split"]

Part = Literal["fit", "validation", "test"]

_NOBODY: Mapping[str, str] = MappingProxyType({})
FEWEST = 4
"""Fewer tasks than this leave a part empty."""

_PATTERN: tuple[Part, ...] = ("fit", "test", "fit", "validation", "fit", "test", "fit", "validation", "fit", "test")
"""Which part takes the tasks in turn: of any ten in a row five go to fit, two to validation and three to test."""


def split(
    tasks: Sequence[Task],
    seed: int,
    known: Mapping[str, str] = _NOBODY,
    clusters: Sequence[str] | None = None,
) -> Mapping[Part, tuple[Task, ...]]:
    """Divides tasks 50/20/30 in fit, validation and test, within each family as well as over all.

    The search may look at fit as often as it likes; its finds are compared on validation; what is reported comes from
    test, and every read of that is to be logged.

    Tasks of one cluster stay together, and shares are kept as near as clusters allow: what was learned of a template
    must not be reported on questions of the same template.

    Who goes where depends on the tasks' content and the seed only, not on the order of the file. Each part comes in
    the order of the tasks' hashes, so that any prefix of it is a random sample of it.

    A task that has a part already keeps it, however the dev set has grown since: what was searched on must not become
    what is reported on, nor the other way round. The others go where their cluster is, or are divided among themselves.

    Args:
        tasks: of the dev set.
        seed: of the division.
        known: the parts that tasks have already, by their ids.
        clusters: the name of each task's cluster, empty where it stands alone; see `task_clusters`, which finds them
            where this is left out.

    Raises:
        UsageError: there are fewer than `FEWEST` tasks, one is there twice, or a part has none left.
    """
    if len(tasks) < FEWEST:
        raise UsageError(
            f"{len(tasks)} tasks cannot be split in fit, validation and test; at least {FEWEST} are needed"
        )
    keys = [(_hash(seed, task.family), _hash(seed, task.task_id)) for task in tasks]
    if len(set(keys)) < len(keys):
        twice = next(task for number, task in enumerate(tasks) if keys[number] in keys[:number])
        raise UsageError(f"task {twice.name or twice.task_id!r} is there twice; remove one")
    groups = grouped(task_clusters(tasks).names if clusters is None else clusters)
    parts = _parted(tasks, keys, groups, known)
    ordered = [(tasks[number], parts[number]) for number in sorted(range(len(tasks)), key=lambda n: keys[n][1])]
    found = {name: tuple(task for task, part in ordered if part == name) for name in get_args(Part)}
    empty = [name for name, held_by in found.items() if not held_by]
    if empty and known:
        raise UsageError(
            f"no task of this dev set is left for {empty[0]}: all {len(tasks)} keep the part that the database gave "
            "them before; put back tasks that were removed, add new ones, or use another database or seed"
        )
    if empty:
        raise UsageError(
            f"no task is left for {empty[0]}: the {len(tasks)} tasks are {len(groups)} clusters, which stay together; "
            "add tasks of other templates, or give smaller clusters"
        )
    return found


def _parted(
    tasks: Sequence[Task], keys: Sequence[tuple[str, str]], groups: Sequence[Sequence[int]], known: Mapping[str, str]
) -> list[str]:
    """The part of each task."""
    ids = [task.task_id for task in tasks]
    # The pattern goes on from one family to the next, so that families of one task each are spread as well.
    fresh = dict(zip(ids, dealt_together(keys, _PATTERN, groups), strict=True))
    if known.items() >= {task_id: part for task_id, part in fresh.items() if task_id in known}.items():
        known = fresh  # The same dev set, of which perhaps not every task has been seen.
    parts = {task_id: known[task_id] for task_id in ids if task_id in known}
    # The pattern goes on where it ended, so that parts keep their proportions where tasks come one at a time.
    turn = len(parts) % len(_PATTERN)
    new: list[list[int]] = []
    for members in groups:
        held = Counter(known[ids[number]] for number in members if ids[number] in known)
        if held:
            joined = max(get_args(Part), key=held.__getitem__)
            parts |= {ids[number]: joined for number in members if ids[number] not in known}
        else:
            new.append(list(members))
    numbers = [number for members in new for number in members]
    places = {number: place for place, number in enumerate(numbers)}
    given = dealt_together(
        [keys[number] for number in numbers],
        _PATTERN[turn:] + _PATTERN[:turn],
        [[places[number] for number in members] for members in new],
    )
    parts |= {ids[number]: part for number, part in zip(numbers, given, strict=True)}
    return [parts[task_id] for task_id in ids]


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
