"""What comes of an assignment on known outcomes, also where the policy goes on deciding after each look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...records.status import Status
from ..arrays import Bools, Floats, Ints
from ..tables.cascades import Replay, Signs, refuse_gaps, replay
from ..tables.table import UNANSWERED, Table
from .base import ArmPolicy, Assignment
from .sequential_policy import STOP, Seen, Successor

__all__ = ["Course", "Courses", "TableReader", "followed"]


@dataclass(frozen=True, slots=True)
class Course:
    """What was asked on one question."""

    asked: tuple[int, ...]
    """The arms in order, numbers of `ArmPolicy.arms`; none where the question is left unanswered."""
    final: int
    """The arm whose answer stands; `UNANSWERED` where none does."""
    cost: float
    cut: bool = False
    """Whether its last arm cost more than a ceiling left for it, and so did not answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """What was asked on every question of a table, in every replicate."""

    arms: Ints
    """(questions,): the first arms, or `UNANSWERED`."""
    later: tuple[tuple[tuple[int, ...], ...], ...] | None
    """[question][replicate]: the arms after the first; None where the policy decides once."""
    final: Ints
    """(questions, replicates): the arms whose answers stand, or `UNANSWERED`."""

    def standing(self, values: Floats) -> Floats:
        """(questions, replicates): of each question's final answer, from (questions, arms, replicates); 0 without."""
        found = np.take_along_axis(values, np.maximum(self.final, 0)[:, None, :], axis=1)[:, 0]
        return np.where(self.final == UNANSWERED, 0.0, found)

    def paid(self, values: Floats) -> Floats:
        """(questions, replicates): summed over all arms that were asked, from (questions, arms, replicates)."""
        everyone = np.arange(len(self.arms))
        found = np.where((self.arms == UNANSWERED)[:, None], 0.0, values[everyone, self.arms])
        for question, replicates in enumerate(self.later or ()):
            for replicate, asked in enumerate(replicates):
                found[question, replicate] += float(values[question, list(asked), replicate].sum())
        return found


class TableReader:
    """Asks arms on a table as a policy says, one question at a time.

    Args:
        policy: its arms are arms of the table, or cascades of these.
        table: what every arm said, scored and cost.

    Raises:
        UsageError: the table lacks an arm of the policy.
    """

    def __init__(self, policy: ArmPolicy, table: Table) -> None:
        self._policy, self._table = policy, table
        self.replayed = replay(policy.arms, table)
        """What its arms come to, all (questions, arms, replicates)."""
        self.scores, self.costs = self.replayed.scores, self.replayed.costs
        self.successor = Successor(policy)
        self._signs = _signs(self.replayed, table) if self.successor.sequential else None

    def follow(self, question: int, replicate: int, arm: int, high: float, ceiling: float = np.inf) -> Course:
        """Asks an arm and those that the policy wants after it.

        Args:
            question: its number.
            replicate: which of the table's comes true.
            arm: the first; or `UNANSWERED`.
            high: what the policy may spend on the question by its own plan.
            ceiling: what it may cost at most; an arm that costs more ends it, and is charged what there is.

        Raises:
            UsageError: the policy names no arm of its own, one that was asked already, or one that was not run here.
        """
        if arm == UNANSWERED:
            return Course((), UNANSWERED, 0.0)
        seen: list[Seen] = []
        spent, asked = 0.0, self._table.questions[question]
        while arm != STOP:
            self._refuse(question, arm)
            cost = float(self.costs[question, arm, replicate])
            if seen and spent >= high:
                break
            if spent + cost > ceiling:
                return Course((*(one.arm for one in seen), arm), self._final(question, seen), ceiling, True)
            spent += cost
            seen.append(self._seen(question, replicate, arm, cost, seen))
            arm = self.successor.next(asked, tuple(seen), min(high, ceiling) - spent)
        return Course(tuple(one.arm for one in seen), self._final(question, seen), spent)

    def followed(self, assignment: Assignment) -> Courses:
        """Carries out an assignment of all questions.

        Args:
            assignment: the first arms, and what each sequence may cost.

        Raises:
            UsageError: an arm was chosen that was not run, or as `follow`.
        """
        arms, replicates = assignment.arms, range(self.costs.shape[2])
        refuse_gaps(self.costs[:, :, 0], np.arange(len(arms)), arms, self._policy.arms, self._table)
        if not self.successor.sequential:
            return Courses(arms, None, np.repeat(arms[:, None], len(replicates), axis=1))
        courses = [
            [self.follow(i, r, int(arms[i]), float(assignment.high[i])) for r in replicates] for i in range(len(arms))
        ]
        later = tuple(tuple(course.asked[1:] for course in each) for each in courses)
        final = np.array([[course.final for course in each] for each in courses], np.intp)
        return Courses(arms, later, final.reshape(len(arms), len(replicates)))

    def _final(self, question: int, seen: Sequence[Seen]) -> int:
        if not seen:
            return UNANSWERED
        return seen[self.successor.answer(self._table.questions[question], tuple(seen))].arm

    def _refuse(self, question: int, arm: int) -> None:
        if np.isnan(self.costs[question, arm]).any():
            one = np.array([question])
            refuse_gaps(self.costs[:, :, 0], one, np.array([arm]), self._policy.arms, self._table)

    def _seen(self, question: int, replicate: int, arm: int, cost: float, before: Sequence[Seen]) -> Seen:
        if self._signs is None:
            return Seen(arm, -1, None, False, Status.OK, cost)
        where = (question, arm, replicate)
        gave, answered, sure, answers = (each[where] for each in self._signs)
        # Numbers in the order of coming, because those of a table tell what arms said that were not asked.
        number = -1
        if answered and answers >= 0:
            known = [one for one in before if one.answer >= 0]
            same = (one.answer for one in known if self._said(question, replicate, one) == answers)
            number = next(same, 1 + max((one.answer for one in known), default=-1))
        status = Status.OK if gave else Status.PARSE_ERROR
        confidence = float(sure) if np.isfinite(sure) else None
        return Seen(arm, number, confidence, bool(gave and not answered), status, cost)

    def _said(self, question: int, replicate: int, one: Seen) -> int:
        assert self._signs is not None
        return int(self._signs[3][question, one.arm, replicate])


def followed(policy: ArmPolicy, table: Table, assignment: Assignment) -> tuple[Courses, Replay]:
    """Carries out an assignment on a table, see `TableReader.followed`.

    Returns:
        What was asked, and what the policy's arms come to.

    Raises:
        UsageError: as `TableReader` and its `followed`.
    """
    reader = TableReader(policy, table)
    return reader.followed(assignment), reader.replayed


def _signs(replayed: Replay, table: Table) -> tuple[Bools, Bools, Floats, Ints]:
    """(questions, arms, replicates) of the policy's arms: what shows of the answers that they give."""
    signs, standing = Signs.of(table), replayed.standing
    questions, _, replicates = standing.shape
    where = (standing, np.arange(questions)[:, None, None], np.arange(replicates)[None, None, :])
    # An answer that is withheld is none.
    gave = signs.gave[where] & (replayed.answered | replayed.abstained)
    return gave, signs.answered[where] & gave, np.where(gave, replayed.sure, -np.inf), signs.answers[where]
