"""The governor on recorded outcomes: what a policy would have scored and spent under a hard cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Bools, Floats, Ints
from ..policies.base import ArmPolicy
from ..policies.sequences import Course, TableReader
from ..policies.stratified import prepared
from ..tables.cascades import refuse_gaps
from ..tables.table import UNANSWERED, Batch, Table

__all__ = ["LOOKING_SHARE", "TableService", "barrier_width", "serve_on_table"]

LOOKING_SHARE = 0.5
"""The part of a cap that probes may take at most."""
_FEWEST = 16
_BARRIERS = 20


@dataclass(frozen=True, slots=True, eq=False)
class TableService:
    """A batch as it was served."""

    planned: Ints
    """(questions,): what the policy chose for the whole batch before anything was served."""
    arms: Ints
    """(questions,): what was asked first, numbers of `ArmPolicy.arms`; `UNANSWERED` where nothing was."""
    scores: Floats
    """(questions,)."""
    costs: Floats
    """(questions,), probes included. Their sum is within the budget."""
    cut: Bools
    """(questions,): whether an arm cost more than was left for it; it is charged what was left, and scores 0 unless an
    arm before it on the same question had answered."""
    asked: tuple[tuple[int, ...], ...]
    """For each question all arms that were asked, in order."""
    final: Ints
    """(questions,): the arms whose answers stand, or `UNANSWERED`."""


def barrier_width(questions: int) -> int:
    """After how many questions the rest of a batch is decided anew, where nobody says otherwise."""
    return max(_FEWEST, -(-questions // _BARRIERS))


def serve_on_table(
    policy: ArmPolicy, table: Table, budget: float, *, every: int | None = None, replicate: int = 0
) -> TableService:
    """Serves the questions of a table one after the other, as the governor does.

    A policy that decides after looking goes on with a question until it stops, within what was held for the question.

    The policy plans for the whole batch. What the cheapest arms of the questions to come cost, at their 95 % quantile,
    is held back all the time. A question whose arm may cost more than what is then left gets another arm before it
    starts, the policy's choice for what is left. Every `every` questions the policy decides the rest anew, with what
    has really been left.

    Args:
        policy: its arms are arms of the table, or cascades of these.
        table: what every arm scored and cost.
        budget: for all questions together; never passed.
        every: how many questions lie between two decisions; a twentieth of them, at least 16, where left out.
        replicate: which of the table's replicates comes true.

    Raises:
        UsageError: the table lacks an arm or the probe of the policy, or the policy chooses an arm where it was not
            run.
    """
    desk = _Desk(policy, table, budget, replicate)
    count = len(table.questions)
    every = barrier_width(count) if every is None else every
    for start in range(0, count, every):
        desk.serve(start, every)
    return desk.service()


class _Desk:
    """A batch while it is served."""

    def __init__(self, policy: ArmPolicy, table: Table, budget: float, replicate: int) -> None:
        count = len(table.questions)
        self._policy, self._table = policy, table
        self._reader = TableReader(policy, table.replicates([replicate]))
        self._real_scores, self._real_costs = self._reader.scores[:, :, 0], self._reader.costs[:, :, 0]
        batch, self._looks = _looked(policy, table, budget)
        self._batch = prepared(policy, batch)
        self._floors = np.maximum(policy.assign(self._batch, 0.0).high - self._looks, 0.0)
        self._later = np.append(self._floors[::-1].cumsum()[::-1][1:], 0.0)
        """(questions,): what is held back for those after each."""
        self._left = budget - float(self._looks.sum())
        self._planned: Ints = np.full(count, UNANSWERED, np.intp)
        self._arms: Ints = np.full(count, UNANSWERED, np.intp)
        self._scores, self._costs = np.zeros(count), self._looks.copy()
        self._cut = np.zeros(count, bool)
        self._asked: list[tuple[int, ...]] = [()] * count
        self._final: Ints = np.full(count, UNANSWERED, np.intp)

    def service(self) -> TableService:
        """What became of the batch."""
        asked = tuple(self._asked)
        return TableService(self._planned, self._arms, self._scores, self._costs, self._cut, asked, self._final)

    def serve(self, start: int, every: int) -> None:
        """Decides the rest of the batch and serves the first of it."""
        rest = np.arange(start, len(self._batch))
        found = self._policy.assign(self._batch.take(rest), self._left + float(self._looks[rest].sum()))
        refuse_gaps(self._real_costs, rest, found.arms, self._policy.arms, self._table)
        if start == 0:
            self._planned[:] = found.arms
        group = rest[:every]
        arms, high = found.arms[:every], np.maximum(found.high[:every] - self._looks[group], 0.0)
        courses = self._courses(group, arms, high)
        while len(group):
            # Most questions fit: they are booked together, up to the first that does not.
            real = np.array([course.cost for course in courses])
            free = self._left - np.append(0.0, real.cumsum()[:-1]) - self._later[group]
            fits = np.maximum(high, real) <= free
            fitting = len(group) if fits.all() else int(np.argmin(fits))
            self._book(group[:fitting], arms[:fitting], courses[:fitting])
            if fitting < len(group):
                self._serve_alone(int(group[fitting]), int(arms[fitting]), float(high[fitting]))
            group, arms, high = (each[fitting + 1 :] for each in (group, arms, high))
            courses = courses[fitting + 1 :]

    def _courses(self, questions: Ints, arms: Ints, high: Floats, ceiling: float = np.inf) -> list[Course]:
        """What is asked on some questions; none of it depends on what comes of the others."""
        planned = zip(questions.tolist(), arms.tolist(), high.tolist(), strict=True)
        return [self._reader.follow(question, 0, arm, most, ceiling) for question, arm, most in planned]

    def _book(self, questions: Ints, arms: Ints, courses: Sequence[Course]) -> None:
        costs = np.array([course.cost for course in courses])
        self._arms[questions] = arms
        self._final[questions] = np.array([course.final for course in courses], np.intp)
        self._scores[questions] = _of(self._real_scores, questions, self._final[questions])
        self._costs[questions] += costs
        self._left -= float(costs.sum())
        for question, course in zip(questions.tolist(), courses, strict=True):
            self._asked[question] = course.asked

    def _serve_alone(self, question: int, arm: int, high: float) -> None:
        """Serves a question whose arm may cost, or does cost, more than is left for it."""
        limit = self._left - float(self._later[question])
        if high > limit:
            budget = max(limit, 0.0) + float(self._looks[question])
            found = self._policy.assign(self._batch.take(np.array([question])), budget)
            arm, high = int(found.arms[0]), max(0.0, float(found.high[0] - self._looks[question]))
        # Its own part of what was held back is there for it in any case, as long as anything is left.
        ceiling = max(0.0, min(self._left, max(limit, float(self._floors[question]))))
        questions, arms = np.array([question]), np.array([arm])
        refuse_gaps(self._real_costs, questions, arms, self._policy.arms, self._table)
        courses = self._courses(questions, arms, np.array([high]), ceiling)
        self._book(questions, arms, courses)
        self._cut[question] = courses[0].cut


def _looked(policy: ArmPolicy, table: Table, budget: float) -> tuple[Batch, Floats]:
    """The batch with what was seen of each question, and what looking cost; no look where it would take too much."""
    batch = table.batch()
    probe = next((probe for probe in table.probes if probe.name == policy.probe), None)
    if probe is None:
        return batch, np.zeros(len(batch))
    paid = probe.costs.cumsum() <= LOOKING_SHARE * budget
    seen = {**batch.probes, probe.name: np.where(paid, probe.values, 0.0)}
    return replace(batch, probes=seen), np.where(paid, probe.costs, 0.0)


def _of(values: Floats, questions: Ints, arms: Ints) -> Floats:
    """(questions,): of each question's arm; 0 where there is none."""
    return np.where(arms == UNANSWERED, 0.0, values[questions, arms])
