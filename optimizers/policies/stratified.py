"""A policy where arms were not run on every family: one for each set of arms, and the budget divided among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from ...errors import UsageError
from ..arrays import Floats, Ints
from ..frontier import hull
from ..prediction.fitted import Array, Fitted
from ..prediction.predictor import Predictor
from ..tables.table import UNANSWERED, Arm, Batch, Lesson, Question
from .base import ArmPolicy, Assignment
from .schedule import budget_ladder
from .sequences import followed
from .sequential_policy import STOP, Seen, Successor

__all__ = ["STRATA", "Part", "Stratified", "prepared", "wrong_costs_of"]

STRATA = "strata"
"""The field of a policy's JSON that says that it is one of several parts."""


class _State(Fitted):
    """What a part is in JSON."""

    families: tuple[str, ...]
    questions: int
    budgets: Array
    scores: Array
    policy: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A policy for the families on which the same arms were run."""

    policy: ArmPolicy
    families: tuple[str, ...]
    questions: int
    """How many it learned from."""
    budgets: Floats
    """(corners,), rising: per question, beyond what the cheapest arms cost."""
    scores: Floats
    """(corners,), rising at a falling rate: what these budgets reached."""

    @classmethod
    def of(cls, policy: ArmPolicy, lesson: Lesson) -> Self:
        """A policy with what it reaches at each budget, on the questions of its lesson."""
        asked = [table for table in (lesson.fit, lesson.validation) if len(table.questions)]
        questions = [question for table in asked for question in table.questions]
        batch = prepared(policy, Batch(tuple(questions)))
        count = len(questions)

        def reached(budget: float) -> tuple[float, float]:
            """What is planned to be spent, and the score, both per question."""
            found = policy.assign(batch, budget * count)
            total, rows = 0.0, 0
            for table in asked:
                own = slice(rows, rows := rows + len(table.questions))
                planned = Assignment(found.arms[own], found.expected[own], found.high[own])
                courses, replayed = followed(policy, table, planned)
                total += float(courses.standing(replayed.scores).mean(axis=1).sum())
            return float(found.expected.sum()) / count, total / count

        least, first = reached(0.0)
        rungs = [budget for budget in budget_ladder(lesson).tolist() if budget > least]
        budgets = np.array([0.0, *(budget - least for budget in rungs)])
        scores = np.array([first, *(reached(budget)[1] for budget in rungs)])
        corners = hull(budgets, scores)
        families = tuple(sorted({question.family for question in questions}))
        return cls(policy, families, count, budgets[corners], scores[corners])

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values; the policy as it writes itself."""
        state = _State(
            families=self.families,
            questions=self.questions,
            budgets=self.budgets,
            scores=self.scores,
            policy=dict(self.policy.to_json()),
        )
        return state.to_json()


@dataclass(frozen=True, eq=False)
class Stratified:
    """Several policies of one kind, each for the families on which the same arms were run.

    So no question is given an arm that was not run on its family, and none is learned or judged by outcomes that do
    not exist. The budget goes where it gains most: each part's score rises with its budget along a concave curve, which
    was measured where it learned, and the steepest pieces of all curves are bought first (Fox 1966). Questions of
    families that nobody has seen are given to the part that learned from most questions.

    Args:
        name: of the kind.
        parts: at least one; no family is in two.
    """

    name: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        families = [family for part in self.parts for family in part.families]
        if not self.parts or len(set(families)) < len(families):
            raise UsageError("field 'strata': there is no part, or a family is in two")
        for part in self.parts:
            if part.budgets.ndim != 1 or not len(part.budgets) or part.scores.shape != part.budgets.shape:
                raise UsageError("field 'strata': budgets and scores must be lists of one length, and not empty")
            if (np.diff(part.budgets) <= 0).any() or (np.diff(part.scores) < 0).any():
                raise UsageError("field 'strata': budgets and scores must rise")
            if part.policy.probe is not None:
                raise UsageError("field 'strata': a policy of several parts takes no probes")

    @property
    def probe(self) -> None:
        """See `ArmPolicy.probe`."""

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`; all parts have the same."""
        return wrong_costs_of(self.parts[0].policy)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """See `ArmPolicy.arms`."""
        return tuple({arm.name: arm for part in self.parts for arm in part.policy.arms}.values())

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `ArmPolicy.assign`."""
        arms, expected, high = np.empty(len(batch), np.intp), np.zeros(len(batch)), np.zeros(len(batch))
        members = self._members(batch.questions)
        asked = [batch.take(rows) for rows in members]
        least = [part.policy.assign(some, 0.0) for part, some in zip(self.parts, asked, strict=True)]
        floors = [float(found.expected.sum()) for found in least]
        more = self._divided([len(rows) for rows in members], budget - sum(floors))
        for part, own, rows, some, found, floor, extra in zip(
            self.parts, self._own, members, asked, least, floors, more, strict=True
        ):
            chosen = part.policy.assign(some, floor + extra) if extra > 0 else found
            arms[rows] = np.where(chosen.arms == UNANSWERED, UNANSWERED, own[chosen.arms])
            expected[rows], high[rows] = chosen.expected, chosen.high
        return Assignment(arms, expected, high)

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        """See `SequentialPolicy.next`: what the part says that the question belongs to."""
        number = self._part_of(question)
        found = self._successors[number].next(question, self._within(number, seen), left)
        return found if found == STOP else int(self._own[number][found])

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        """See `SequentialPolicy.answer`."""
        number = self._part_of(question)
        return self._successors[number].answer(question, self._within(number, seen))

    def follows(self, arm: int) -> tuple[int, ...]:
        """See `SequentialPolicy.follows`: what may follow in any part that has the arm."""
        found: dict[int, None] = {}
        for own, successor in zip(self._own, self._successors, strict=True):
            for first in np.flatnonzero(own == arm).tolist():
                found |= dict.fromkeys(own[list(successor.follows(first))].tolist())
        return tuple(found)

    def to_json(self) -> Mapping[str, Any]:
        """See `ArmPolicy.to_json`."""
        return {"policy": self.name, STRATA: [part.to_json() for part in self.parts]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], read: Callable[[Mapping[str, Any]], ArmPolicy]) -> Self:
        """Reads what `to_json` wrote.

        Args:
            content: JSON values.
            read: reads the policies of the parts.

        Raises:
            UsageError: it is not that; the message names the field.
        """
        found, name = content[STRATA], content.get("policy")
        if not isinstance(found, list) or not isinstance(name, str) or set(content) != {"policy", STRATA}:
            raise UsageError("field 'strata' must be a list of the parts of a policy, beside its name alone")
        parts = []
        for each in found:
            state = _State.from_json(each) if isinstance(each, dict) else None
            if state is None or STRATA in state.policy:
                raise UsageError("field 'strata': each part has families, questions, budgets, scores and a policy")
            parts.append(Part(read(state.policy), state.families, state.questions, state.budgets, state.scores))
        return cls(name, tuple(parts))

    @cached_property
    def _own(self) -> list[Ints]:
        """For every part, the numbers of its arms among all."""
        at = {arm.name: number for number, arm in enumerate(self.arms)}
        return [np.array([at[arm.name] for arm in part.policy.arms], np.intp) for part in self.parts]

    @cached_property
    def _successors(self) -> list[Successor]:
        return [Successor(part.policy) for part in self.parts]

    @cached_property
    def _of_family(self) -> dict[str, int]:
        return {family: number for number, part in enumerate(self.parts) for family in part.families}

    @cached_property
    def _largest(self) -> int:
        return max(range(len(self.parts)), key=lambda number: self.parts[number].questions)

    def _part_of(self, question: Question) -> int:
        return self._of_family.get(question.family, self._largest)

    def _within(self, part: int, seen: Sequence[Seen]) -> tuple[Seen, ...]:
        """What was seen, with the numbers that its arms have in a part."""
        at = {number: own for own, number in enumerate(self._own[part].tolist())}
        return tuple(replace(one, arm=at[one.arm]) for one in seen)

    def _members(self, questions: Sequence[Question]) -> list[Ints]:
        """For every part, the numbers of its questions."""
        parts = np.array([self._part_of(question) for question in questions], np.intp)
        return [np.flatnonzero(parts == number) for number in range(len(self.parts))]

    def _divided(self, counts: Sequence[int], left: float) -> list[float]:
        """What each part gets for so many questions beyond the cheapest arms: the steepest pieces of all curves first.

        What is left when all curves are at their ends is divided evenly, since budgets beyond them still may be used.
        """
        given = [0.0] * len(counts)
        pieces = [
            ((score - before) / (end - begin), number, (end - begin) * counts[number])
            for number, part in enumerate(self.parts)
            for (begin, before), (end, score) in pairwise(zip(part.budgets, part.scores, strict=True))
        ]
        for _, number, cost in sorted(pieces, key=lambda piece: -piece[0]):
            bought = max(0.0, min(left, cost))
            given[number] += bought
            left -= bought
        share = max(0.0, left) / max(1, sum(counts))
        return [some + share * count for some, count in zip(given, counts, strict=True)]


def wrong_costs_of(policy: ArmPolicy) -> float:
    """What a wrong answer cost where the policy learned, see `Table.wrong_costs`; 0 where it does not say."""
    return float(getattr(policy, "wrong_costs", 0.0))


def prepared(policy: ArmPolicy, batch: Batch) -> Batch:
    """The batch with what the predictors of a policy make of it, so that deciding again need not predict anew."""
    if isinstance(policy, Stratified):
        for part in policy.parts:
            batch = prepared(part.policy, batch)
        return batch
    known = getattr(policy, "predictors", None) or (getattr(policy, "predictor", None),)
    for predictor in known:
        batch = predictor.prepared(batch) if isinstance(predictor, Predictor) else batch
    return batch
