"""What the benchmark prints: goals first, those that were missed before those that were met, then the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from apportion.optimizers.bootstrap import Interval

__all__ = ["Goal", "Section", "interval", "report"]


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that was to be shown."""

    name: str
    wanted: str
    found: str
    met: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One set, or one comparison on it."""

    title: str
    notes: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    goals: tuple[Goal, ...]


def interval(found: Interval, digits: int = 3, *, signed: bool = True, scale: float = 1.0) -> str:
    """A mean with its interval."""
    sign = "+" if signed else ""
    mean, low, high = (f"{scale * value:{sign}.{digits}f}" for value in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]"


def report(sections: Sequence[Section]) -> Iterator[str]:
    """The lines to print."""
    goals = sorted((goal for section in sections for goal in section.goals), key=lambda goal: goal.met)
    missed = sum(not goal.met for goal in goals)
    yield f"{missed} of {len(goals)} goals missed" if missed else f"all {len(goals)} goals met"
    for goal in goals:
        yield f"  {'met   ' if goal.met else 'MISSED'} {goal.name}: {goal.found}; wanted {goal.wanted}"
    for section in sections:
        yield ""
        yield section.title
        yield from (f"  {note}" for note in section.notes)
        yield from _aligned([section.header, *section.rows])


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(_with(row, widths)))
        yield "  " + "  ".join([first, *others])


def _with(row: tuple[str, ...], widths: Iterable[int]) -> Iterator[tuple[str, int]]:
    return zip(row, widths, strict=True)
