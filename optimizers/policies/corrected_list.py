"""A cascade with corrections: states of a question in which another look, or none, is worth more than the list says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..arrays import Bools, Floats, Ints
from ..prediction.fitted import Fitted
from ..tables.cascades import Signs, final_of, flat_cells, stops, votes_of
from ..tables.table import Arm, Stage, Table

__all__ = [
    "Boundary",
    "CorrectedList",
    "Correction",
    "Outcome",
    "boundaries",
    "cell_families",
    "most_frequent",
    "outcome_of",
]

_MOST = 3
"""Votes and distinct answers are counted up to this."""
_NOTHING, _ABSTAINED, _DIFFERS, _AGREES = range(4)
"""What the latest look came to."""
_UNKNOWN, _UNSURE, _SURE = range(3)
"""How confident the standing answer is, beside what is usual for its arm."""


class Correction(BaseModel):
    """What is done in one state instead of what the list says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    looks: int = Field(ge=1)
    """How many arms of the list have been asked."""
    state: int = Field(ge=0)
    """See `states`."""
    family: str | None = None
    """Only for questions of this one; None for all that have no correction of their own there."""
    arm: str = ""
    """The name of the arm that is asked, after which the question ends; empty where it ends at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """All cells of a table after so many looks along a list."""

    looks: int
    asked: tuple[int, ...]
    """Arms of the table."""
    there: Bools
    """(cells,): where the list came so far."""
    states: Ints
    """(cells,)."""
    stops: Bools
    """(cells,): where the list ends."""
    standing: Ints
    """(cells,): the arm of the table whose answer stands by the rule of the list."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What comes of a list on a table."""

    standing: Ints
    """(cells,): the arm of the table whose answer stands."""
    cost: Floats
    """(cells,)."""


class CorrectedList(Fitted):
    """A cascade, and the states in which it is left: to stop early, or for one look at an arm that is not its next.

    A state says how many arms were asked, whether the list ends here, what the latest came to, how many answers differ,
    how many votes the leading one has, and whether the standing one is more confident than usual. Corrections of a
    family come before those of all.
    """

    cascade: Arm
    usual: dict[str, float] = Field(default_factory=dict)
    """The median confidence of each arm of the list that has one."""
    corrections: tuple[Correction, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.cascade.stages:
            raise ValueError("cascade must have stages")
        if any(correction.looks > len(self.cascade.stages) for correction in self.corrections):
            raise ValueError("corrections must not come after more looks than the list has arms")
        if len(self._by_state) < len(self.corrections):
            raise ValueError("two corrections are for one state")
        return self

    @cached_property
    def arm(self) -> Arm:
        """What a policy chooses: the list as it is, or where it has corrections its first arm, named by all of it."""
        if not self.corrections:
            return self.cascade
        told = [self.cascade.name, self.usual, [correction.model_dump() for correction in self.corrections]]
        name = hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
        return Arm(f"looks-{name}", stages=(Stage(self.cascade.stages[0].arm),))

    @property
    def later(self) -> tuple[str, ...]:
        """The names of all arms that may come after the first."""
        names = [stage.arm for stage in self.cascade.stages[1:]] + [each.arm for each in self.corrections if each.arm]
        return tuple(dict.fromkeys(names))

    def after(self, asked: Sequence[str], signs: Signs, family: str) -> str | None:
        """The name of the arm that comes after some looks.

        Args:
            asked: the names of the arms that were asked, at least one; the first is the list's.
            signs: of these, (looks, 1).
            family: of the question.

        Returns:
            None where the question ends.
        """
        stages = self.cascade.stages
        for looks in range(1, len(asked) + 1):
            if looks > len(stages) or asked[looks - 1] != stages[looks - 1].arm:
                return None
            found = self._corrected(looks, signs, family)
            if found is not None:
                return (found.arm or None) if looks == len(asked) else None
            if looks == len(stages) or bool(stops(stages[:looks], signs.take(range(looks)))[0]):
                return None
        return stages[len(asked)].arm

    def final(self, asked: Sequence[str], signs: Signs, family: str) -> int:
        """Which of what was seen stands: by the rule of the list, or after a correction the most frequent answer."""
        stages = self.cascade.stages
        followed = len(asked) <= len(stages) and all(
            name == stage.arm for name, stage in zip(asked, stages, strict=False)
        )
        detour = not followed or any(
            (found := self._corrected(looks, signs, family)) is not None and found.arm for looks in range(1, len(asked))
        )
        return int(most_frequent(signs)[0] if detour else final_of(stages[: len(asked)], signs, self.cascade.final)[0])

    def outcome(self, table: Table, signs: Signs, families: NDArray[np.object_]) -> Outcome:
        """What comes of it on a table.

        Args:
            table: has its arms.
            signs: of the table, flat.
            families: (cells,).
        """
        costs = flat_cells(table.costs)
        cost, standing = np.zeros(costs.shape[1]), np.zeros(costs.shape[1], np.intp)
        on = np.ones(costs.shape[1], bool)
        for boundary in boundaries(self.cascade, table, signs, self.usual):
            on = on & boundary.there
            cost = cost + on * costs[boundary.asked[-1]]
            standing = np.where(on, boundary.standing, standing)
            for mine, correction in self._at(boundary, families):
                left = on & mine
                if correction.arm:
                    asked = (*boundary.asked, table.arm(correction.arm))
                    cost = cost + left * costs[asked[-1]]
                    standing = np.where(left, np.array(asked)[most_frequent(signs.take(asked))], standing)
                on = on & ~left
        return Outcome(standing, cost)

    def _at(self, boundary: Boundary, families: NDArray[np.object_]) -> Iterator[tuple[Bools, Correction]]:
        """The corrections at a boundary with the cells that they are for; those of a family first."""
        here = [each for each in self.corrections if each.looks == boundary.looks]
        taken = np.zeros(len(boundary.states), bool)
        for correction in sorted(here, key=lambda each: each.family is None):
            mine = (boundary.states == correction.state) & ~taken
            if correction.family is not None:
                mine = mine & (families == correction.family)
            taken = taken | mine
            yield mine, correction

    def _corrected(self, looks: int, signs: Signs, family: str) -> Correction | None:
        known = self._by_state
        if not any(key[0] == looks for key in known):
            return None
        stages = self.cascade.stages
        state = int(states(self.cascade, looks, signs.take(range(looks)), self._cuts(stages[:looks]))[0])
        return known.get((looks, state, family)) or known.get((looks, state, None))

    def _cuts(self, stages: Sequence[Stage]) -> Floats:
        return np.array([self.usual.get(stage.arm, np.nan) for stage in stages])

    @cached_property
    def _by_state(self) -> Mapping[tuple[int, int, str | None], Correction]:
        return {(each.looks, each.state, each.family): each for each in self.corrections}


def boundaries(cascade: Arm, table: Table, signs: Signs, usual: Mapping[str, float]) -> Iterator[Boundary]:
    """All cells of a table after each look along a list without corrections.

    Args:
        cascade: the list.
        table: has its arms.
        signs: of the table, flat.
        usual: see `CorrectedList.usual`.
    """
    stages, numbers = cascade.stages, [table.arm(stage.arm) for stage in cascade.stages]
    there = np.ones(signs.gave.shape[1], bool)
    for looks in range(1, len(stages) + 1):
        asked, first = signs.take(numbers[:looks]), stages[:looks]
        ended = np.ones_like(there) if looks == len(stages) else stops(first, asked)
        cuts = np.array([usual.get(stage.arm, np.nan) for stage in first])
        standing = np.array(numbers)[final_of(first, asked, cascade.final)]
        yield Boundary(looks, tuple(numbers[:looks]), there, states(cascade, looks, asked, cuts), ended, standing)
        there = there & ~ended


def states(cascade: Arm, looks: int, signs: Signs, usual: Floats) -> Ints:
    """(cells,): a number for all that counts of a question after some looks along a list.

    Its digits: whether the list ends here; what the latest look came to; how many answers differ; the votes of the
    leading one; how confident the standing one is.

    Args:
        cascade: the list.
        looks: how many.
        signs: of these, (looks, cells).
        usual: (looks,): the median confidence of each arm; not a number where it has none.
    """
    stages, last = cascade.stages[:looks], looks - 1
    ended = np.ones(signs.gave.shape[1], bool) if looks == len(cascade.stages) else stops(stages, signs)
    known = signs.answered & (signs.answers >= 0)
    fresh = [
        signs.answered[i] & ~((signs.answers[:i] == signs.answers[i]) & known[:i]).any(axis=0) for i in range(looks)
    ]
    latest = np.where(signs.answered[last], np.where(fresh[last], _DIFFERS, _AGREES), signs.gave[last] * _ABSTAINED)
    standing = final_of(stages, signs, cascade.final)
    sure = np.take_along_axis(signs.sure, standing[None], axis=0)[0]
    usually = usual[standing]
    confident = np.where(np.isfinite(sure) & np.isfinite(usually), np.where(sure >= usually, _SURE, _UNSURE), _UNKNOWN)
    digits = [ended, latest, np.minimum(sum(fresh), _MOST), np.minimum(_votes(signs).max(axis=0), _MOST), confident]
    number: Ints = np.zeros(signs.gave.shape[1], np.intp)
    for digit in digits:
        number = 10 * number + digit
    return number


def most_frequent(signs: Signs) -> Ints:
    """(cells,): the look whose answer stands as `plurality` has it, from the signs of (looks, cells)."""
    sure = np.where(signs.answered & np.isfinite(signs.sure), signs.sure, -1.0)
    return np.asarray(np.lexsort((signs.gave, sure, _votes(signs), signs.answered), axis=0)[-1])


def _votes(signs: Signs) -> Ints:
    """(looks, cells): as `votes_of`; an answer that is not known stands for itself."""
    return np.maximum(votes_of(signs), signs.answered)


def outcome_of(lists: Sequence[CorrectedList], table: Table) -> list[Outcome]:
    """What comes of lists on a table; cells are its questions and replicates, in this order."""
    signs, families = Signs.of(table).flat(), cell_families(table)
    return [each.outcome(table, signs, families) for each in lists]


def cell_families(table: Table) -> NDArray[np.object_]:
    """(cells,): the family of each cell's question."""
    names = np.array([question.family for question in table.questions], object)
    return np.repeat(names, table.scores.shape[2])
