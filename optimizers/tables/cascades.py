"""Arms tried one after the other: when one answer is enough, which of several stands, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ...errors import UsageError
from ..arrays import Bools, Floats, Ints
from .table import UNANSWERED, Arm, FinalRule, Stage, Table

__all__ = [
    "FINAL_RULES",
    "Signs",
    "cascade_arm",
    "cascade_outcomes",
    "final_of",
    "outcomes_of",
    "refuse_gaps",
    "standing_of",
    "stops",
    "with_cascades",
]


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """What shows of answers without a gold answer; all arrays of one shape, whose first axis is the arms or stages."""

    gave: Bools
    """Whether there was a reply: an answer, or the word that there is none."""
    answered: Bools
    """Whether it was an answer, and no abstention."""
    sure: Floats
    """The confidence; -inf where nobody knows."""
    answers: Ints
    """Equal numbers are one answer; -1 where none is known."""

    @classmethod
    def of(cls, table: Table) -> Signs:
        """Of a table: (arms, questions, replicates)."""
        shape = table.scores.shape
        known = np.full(shape, -1) if table.answers is None else table.answers
        said = np.zeros(shape, bool) if table.abstained is None else table.abstained == 1
        gave = np.ones(shape, bool) if table.answers is None else (known >= 0) | said
        sure = np.full(shape, -np.inf) if table.confidences is None else table.confidences
        each = (gave, gave & ~said, np.where(np.isnan(sure), -np.inf, sure), known)
        return cls(*(np.ascontiguousarray(np.swapaxes(cells, 0, 1)) for cells in each))

    def take(self, stages: Sequence[int], cells: Ints | slice = slice(None)) -> Signs:
        """Some of the arms, in the order given, and some of what the second axis has."""
        chosen = list(stages)
        return Signs(
            self.gave[chosen][:, cells],
            self.answered[chosen][:, cells],
            self.sure[chosen][:, cells],
            self.answers[chosen][:, cells],
        )

    def flat(self) -> Signs:
        """With all but the first axis made one."""
        count = len(self.gave)
        return Signs(
            self.gave.reshape(count, -1),
            self.answered.reshape(count, -1),
            self.sure.reshape(count, -1),
            self.answers.reshape(count, -1),
        )


def stops(stages: Sequence[Stage], signs: Signs) -> Bools:
    """Whether the last of the stages that were asked ends its cascade.

    Args:
        stages: those that were asked, in order.
        signs: of the same stages, along the first axis.

    Returns:
        Of the shape that the signs have beyond the first axis.
    """
    rule, last = stages[-1].stop, len(stages) - 1
    if rule == "answered":
        return np.asarray(signs.answered[last])
    if rule == "agrees":
        same = (signs.answers[:last] == signs.answers[last]) & signs.answered[:last]
        return np.asarray(signs.answered[last] & (signs.answers[last] >= 0) & same.any(axis=0))
    if rule == "confidence":
        return np.asarray(signs.answered[last] & (signs.sure[last] >= stages[-1].sure))
    return np.zeros(signs.answered.shape[1:], bool)


def final_of(stages: Sequence[Stage], signs: Signs, final: FinalRule) -> Ints:
    """Which of the stages that were asked gives the answer; see `Arm.final`.

    Args:
        stages: those that were asked, in order.
        signs: of the same stages, along the first axis.
        final: the rule.

    Returns:
        Numbers of stages, of the shape that the signs have beyond the first axis.
    """
    return FINAL_RULES[final](stages, signs)


def _last(stages: Sequence[Stage], signs: Signs) -> Ints:
    backwards = signs.gave[::-1]
    return np.where(backwards.any(axis=0), len(stages) - 1 - backwards.argmax(axis=0), len(stages) - 1)


def _first_sure(stages: Sequence[Stage], signs: Signs) -> Ints:
    least = np.array([stage.sure if stage.stop == "confidence" else -np.inf for stage in stages])
    enough = signs.answered & (signs.sure >= least.reshape(-1, *[1] * (signs.sure.ndim - 1)))
    return np.where(enough.any(axis=0), enough.argmax(axis=0), _last(stages, signs))


def _plurality(stages: Sequence[Stage], signs: Signs) -> Ints:
    votes = np.zeros(signs.answers.shape)
    for stage in range(len(stages)):
        votes += (signs.answers == signs.answers[stage]) & signs.answered[stage] & (signs.answers >= 0)
    return _most(stages, signs, votes)


def _most_confident(stages: Sequence[Stage], signs: Signs) -> Ints:
    return _most(stages, signs, signs.sure)


def _most(stages: Sequence[Stage], signs: Signs, worth: Floats) -> Ints:
    """The stage that answered and is worth most, of equals the latest; the last one where none answered."""
    best, found = np.full(worth.shape[1:], -np.inf), np.full(worth.shape[1:], -1)
    for stage in range(len(stages)):
        better = signs.answered[stage] & (worth[stage] >= best)
        best, found = np.where(better, worth[stage], best), np.where(better, stage, found)
    return np.where(found >= 0, found, _last(stages, signs))


FINAL_RULES: Mapping[FinalRule, Callable[[Sequence[Stage], Signs], Ints]] = MappingProxyType(
    {"last": _last, "first_sure": _first_sure, "plurality": _plurality, "most_confident": _most_confident}
)
"""What decides which answer stands, simplest first."""


def cascade_arm(stages: tuple[Stage, ...], final: FinalRule = "last") -> Arm:
    """The arm that a cascade is, named by its content."""
    # What the first cascades could be has the names that it had then.
    told = [[s.arm, s.sure] if s.stop == "confidence" else [s.arm, s.sure, s.stop] for s in stages]
    content = json.dumps(told if final == "last" else [*told, final], ensure_ascii=False)
    return Arm(f"cascade-{hashlib.sha256(content.encode()).hexdigest()[:16]}", stages=stages, final=final)


def cascade_outcomes(table: Table, stages: Sequence[Stage], final: FinalRule = "last") -> tuple[Floats, Floats]:
    """(questions, replicates) twice: the scores and the costs of a cascade, from those of its stages.

    All that was asked is paid for. A stage that is not reached is not asked.

    Raises:
        UsageError: the table lacks an arm, or the column that a rule needs.
    """
    return _outcomes(table, Signs.of(table), stages, final)


def _outcomes(table: Table, signs: Signs, stages: Sequence[Stage], final: FinalRule) -> tuple[Floats, Floats]:
    columns, costs = _walked(table, signs, stages, final)
    return np.take_along_axis(table.scores, columns[:, None, :], axis=1)[:, 0], costs


def _walked(table: Table, signs: Signs, stages: Sequence[Stage], final: FinalRule) -> tuple[Ints, Floats]:
    """(questions, replicates) twice: the arm of the table whose answer stands, and what was paid."""
    _check(table, stages, final)
    numbers = [table.arm(stage.arm) for stage in stages]
    shape = (len(table.questions), table.scores.shape[2])
    asking, costs = np.ones(shape, bool), np.zeros(shape)
    columns: Ints = np.zeros(shape, np.intp)
    for count, number in enumerate(numbers, 1):
        asked = signs.take(numbers[:count])
        # A gap stays one: 0 times not a number is not a number.
        costs = costs + asking * table.costs[:, number]
        columns = np.where(asking, np.array(numbers)[final_of(stages[:count], asked, final)], columns)
        asking = asking & ~stops(stages[:count], asked)
    return columns, costs


def standing_of(arms: Sequence[Arm], table: Table) -> Ints:
    """(questions, arms, replicates): the arm of the table whose answer an arm gives; a cascade's is one of its stages.

    Raises:
        UsageError: as `outcomes_of`.
    """
    known = {arm.name: number for number, arm in enumerate(table.arms)}
    signs = Signs.of(table)
    shape = (len(table.questions), table.scores.shape[2])
    found = [
        _walked(table, signs, arm.stages, arm.final)[0]
        if arm.stages and arm.name not in known
        else np.full(shape, table.arm(arm.name), np.intp)
        for arm in arms
    ]
    return np.stack(found, axis=1)


def outcomes_of(arms: Sequence[Arm], table: Table) -> tuple[Floats, Floats]:
    """(questions, arms, replicates) twice: scores and costs of arms of a table, and of cascades of these.

    Raises:
        UsageError: the table lacks an arm, or the column that a rule of a cascade needs.
    """
    known = {arm.name: number for number, arm in enumerate(table.arms)}
    signs = Signs.of(table) if any(arm.stages and arm.name not in known for arm in arms) else None
    found = []
    for arm in arms:
        if signs is not None and arm.stages and arm.name not in known:
            found.append(_outcomes(table, signs, arm.stages, arm.final))
        else:
            number = table.arm(arm.name)
            found.append((table.scores[:, number], table.costs[:, number]))
    scores, costs = zip(*found, strict=True)
    return np.stack(scores, axis=1), np.stack(costs, axis=1)


def with_cascades(table: Table, cascades: Sequence[Arm]) -> Table:
    """The table with cascades as further arms; of what shows of answers nothing is kept."""
    arms = (*table.arms, *cascades)
    scores, costs = outcomes_of(arms, table)
    return Table(
        table.questions,
        arms,
        scores,
        costs,
        table.unit,
        probes=table.probes,
        known=table.known,
        clusters=table.clusters,
    )


def refuse_gaps(costs: Floats, numbers: Ints, chosen: Ints, arms: Sequence[Arm], table: Table) -> None:
    """Makes sure that what was chosen for some questions of a table was run there.

    Args:
        costs: (questions, arms) of the whole table; NaN where an arm was not run.
        numbers: of the questions that are decided.
        chosen: of these, numbers of `arms`, or `UNANSWERED`.
        arms: what the policy may choose.
        table: whose questions they are.

    Raises:
        UsageError: it was not; nothing can be said of that policy then.
    """
    unknown = np.isnan(np.where(chosen == UNANSWERED, 0.0, costs[numbers, chosen]))
    if unknown.any():
        first = int(np.argmax(unknown))
        question, arm = table.questions[numbers[first]], arms[chosen[first]]
        raise UsageError(
            f"the policy chooses arm {arm.name!r} for question {question.name!r} of family {question.family!r}, on "
            "which it was not run: fit the policy on questions of this family too (a smaller --set-aside leaves more "
            "of them), or leave the family out"
        )


def _check(table: Table, stages: Sequence[Stage], final: FinalRule) -> None:
    """Makes sure that what the rules read is there."""
    rules = {stage.stop for stage in stages[:-1]}
    lacks = ""
    if table.confidences is None and ("confidence" in rules or final == "most_confident"):
        lacks = "confidence"
    elif table.answers is None and ("agrees" in rules or final == "plurality"):
        lacks = "answer"
    elif table.answers is None and table.abstained is None and "answered" in rules:
        lacks = "abstained"
    if lacks:
        raise UsageError(
            f"a cascade reads the {lacks} of every answer, and the table has none; "
            f"add a column {lacks!r} to the outcomes"
        )
