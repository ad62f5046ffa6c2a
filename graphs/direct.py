"""Running the active part of a graph without LangGraph, for the many runs of a search.

A search runs the same few requests under hundreds of plans, most of them from the cache; LangGraph's own cost of a node
is then most of the time. Here nodes run level by level. Loops behave as in the compiled graph, and one suite of random
graphs holds both to the same definition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..records.task import Task
from .active import Active, Body, levels
from .state import TASK, Session, channel

__all__ = ["Schedule", "run_direct", "schedule_of"]


@dataclass(frozen=True, slots=True)
class _Round:
    """A loop's body: what one round runs, level by level."""

    body: Body
    levels: tuple[tuple[str, ...], ...]


Schedule = tuple[tuple[str | _Round, ...], ...]
"""Levels of nodes and loops; what is in one level does not wait for anything else in it."""


def schedule_of(active: Active) -> Schedule:
    """The levels of what runs, each loop as one piece."""
    position = {name: index for index, name in enumerate(active.order)}
    piece = {name: active.body_of[name].loop.name if name in active.body_of else name for name in active.order}
    pairs = [(piece[edge.source], piece[edge.target]) for edge in active.edges]
    rounds = {body.loop.name: _Round(body, _levels(active, body.nodes, position)) for body in active.bodies}
    return tuple(
        tuple(rounds.get(name, name) for name in sorted(level, key=lambda name: _place(name, rounds, position)))
        for level in levels(piece.values(), (pair for pair in pairs if pair[0] != pair[1]))
    )


async def run_direct(schedule: Schedule, session: Session, task: Task) -> None:
    """Runs every node; the session keeps what they say.

    Args:
        schedule: of what runs.
        session: the run.
        task: what is asked.
    """
    state: dict[str, Any] = {TASK: task}
    for level in schedule:
        await _together([_piece(piece, session, state) for piece in level])


async def _piece(piece: str | _Round, session: Session, state: dict[str, Any]) -> None:
    if isinstance(piece, str):
        state[channel(piece)] = await session.step(piece, state)
        return
    while True:
        for level in piece.levels:
            await _together([_piece(node, session, state) for node in level])
        loop = piece.body.loop
        if not session.goes_on(loop.name, state[channel(loop.check)]):
            return


async def _together(pieces: Sequence[Any]) -> None:
    if len(pieces) == 1:
        await pieces[0]
        return
    async with asyncio.TaskGroup() as group:
        for piece in pieces:
            group.create_task(piece)


def _levels(active: Active, nodes: frozenset[str], position: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    within = ((e.source, e.target) for e in active.edges if e.source in nodes and e.target in nodes)
    return tuple(tuple(sorted(level, key=position.__getitem__)) for level in levels(nodes, within))


def _place(name: str, rounds: Mapping[str, _Round], position: Mapping[str, int]) -> int:
    return min(position[node] for node in rounds[name].body.nodes) if name in rounds else position[name]
