"""Arms tried one after the other: when one answer is enough, which of several stands, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..arrays import Bools, Floats, Ints
from .confidence import Confidence, signs_of
from .table import UNANSWERED, Arm, FinalRule, Stage, Table

__all__ = [
    "FINAL_RULES",
    "Replay",
    "Signs",
    "cascade_arm",
    "final_of",
    "flat_cells",
    "outcomes_of",
    "refuse_gaps",
    "replay",
    "stage_signs",
    "stops",
    "table_signs",
    "votes_of",
    "with_cascades",
    "withholds",
]


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """What shows of answers without a gold answer; all arrays of one shape, whose first axis is the arms or stages."""

    gave: Bools
    """Whether there was a reply: an answer, or the word that there is none."""
    answered: Bools
    """Whether it was an answer, and no abstention."""
    sure: Floats
    """How sure it is: as was learned where a stage carries that, else what the arm says; -inf where nobody knows, or
    there was no reply."""
    answers: Ints
    """Equal numbers are one answer; -1 where none is known."""

    @classmethod
    def of(cls, table: Table) -> Signs:
        """Of a table: (arms, questions, replicates)."""
        shape = table.scores.shape
        known = np.full(shape, -1) if table.answers is None else table.answers
        sure = np.full(shape, -np.inf) if table.confidences is None else table.confidences
        gave = table.gave
        each = (gave, table.answered, np.where(np.isnan(sure) | ~gave, -np.inf, sure), known)
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


def flat_cells(cells: NDArray[Any]) -> NDArray[Any]:
    """(arms, cells), as of flat signs, from (questions, arms, replicates)."""
    return np.swapaxes(cells, 0, 1).reshape(cells.shape[1], -1)


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


def votes_of(signs: Signs) -> Ints:
    """Of the shape of the signs: how many of the first axis gave each answer; 0 where there is none, or none known."""
    known = signs.answered & (signs.answers >= 0)
    return np.stack([((signs.answers == own) & known).sum(axis=0) for own in signs.answers]) * known


def _last(stages: Sequence[Stage], signs: Signs) -> Ints:
    backwards = signs.gave[::-1]
    return np.where(backwards.any(axis=0), len(stages) - 1 - backwards.argmax(axis=0), len(stages) - 1)


def _first_sure(stages: Sequence[Stage], signs: Signs) -> Ints:
    least = np.array([stage.sure if stage.stop == "confidence" else -np.inf for stage in stages])
    enough = signs.answered & (signs.sure >= least.reshape(-1, *[1] * (signs.sure.ndim - 1)))
    return np.where(enough.any(axis=0), enough.argmax(axis=0), _last(stages, signs))


def _plurality(stages: Sequence[Stage], signs: Signs) -> Ints:
    return _most(stages, signs, votes_of(signs).astype(np.float64))


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


def cascade_arm(stages: tuple[Stage, ...], final: FinalRule = "last", *, answers_at: float = 0.0) -> Arm:
    """The arm that a cascade is, named by its content."""
    # What the first cascades could be has the names that it had then.
    told: list[object] = [[s.arm, s.sure] if s.stop == "confidence" else [s.arm, s.sure, s.stop] for s in stages]
    told += [final] if final != "last" else []
    told += [asdict(s.confidence) for s in stages if s.confidence is not None]
    told += [{"answers_at": answers_at}] if answers_at else []
    digest = hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()
    return Arm(f"cascade-{digest[:16]}", stages=stages, final=final, answers_at=answers_at)


def withholds(arm: Arm, answered: Bools, sure: Floats) -> Bools:
    """Whether a cascade leaves the question unanswered after looking, of any shape.

    Args:
        arm: the cascade.
        answered: of the stage whose answer would stand: whether that is an answer.
        sure: likewise, how sure it is.
    """
    return np.asarray(answered & ~(sure >= arm.answers_at)) if arm.answers_at else np.zeros(np.shape(answered), bool)


def outcomes_of(arms: Sequence[Arm], table: Table) -> tuple[Floats, Floats]:
    """(questions, arms, replicates) twice: scores and costs of arms of a table, and of cascades of these.

    Raises:
        UsageError: the table lacks an arm, or the column that a rule of a cascade needs.
    """
    replayed = replay(arms, table)
    return replayed.scores, replayed.costs


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What arms come to on the questions of a table; all (questions, arms, replicates)."""

    scores: Floats
    """As the table has them; 0 where a question is left unanswered after looking."""
    costs: Floats
    answered: Bools
    """Whether an answer stands, and no abstention."""
    abstained: Bools
    """Whether what stands says that there is no answer. Where neither holds, the question is unanswered."""
    right: Floats
    """The scores of the answers that stand, in [0, 1] also where wrong ones cost something; 0 for others."""
    standing: Ints
    """The arm of the table whose answer stands, or would where it is withheld."""
    sure: Floats
    """How sure that answer is, as the arm's rules read it; see `Signs.sure`."""


def replay(arms: Sequence[Arm], table: Table) -> Replay:
    """Looks up arms of a table, and runs cascades of these.

    Raises:
        UsageError: the table lacks an arm, or the column that a rule of a cascade needs.
    """
    known = {arm.name: number for number, arm in enumerate(table.arms)}
    cells = _Cells(table)
    found = []
    for arm in arms:
        if arm.stages and arm.name not in known:
            found.append(cells.run(arm))
        else:
            found.append(cells.of(table.arm(arm.name)))
    return Replay(*(np.stack(each, axis=1) for each in zip(*found, strict=True)))


_Column = tuple[Floats, Floats, Bools, Bools, Floats, Ints, Floats]
"""An arm: the fields of `Replay`, each (questions, replicates)."""


class _Cells:
    """A table whose cascades are run."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._signs = Signs.of(table)
        self._answered, self._abstained = table.answered, table.gave & ~table.answered
        self._right = np.where(self._answered, table.right, 0.0)
        self._known: dict[tuple[int, Confidence], Floats] = {}

    def of(self, number: int) -> _Column:
        """An arm of the table."""
        scores, costs, right = (each[:, number] for each in (self._table.scores, self._table.costs, self._right))
        standing: Ints = np.full(scores.shape, number, np.intp)
        flags = self._answered[:, number], self._abstained[:, number]
        return scores, costs, *flags, right, standing, self._signs.sure[number]

    def run(self, arm: Arm) -> _Column:
        """A cascade of arms of the table."""
        table, stages = self._table, arm.stages
        _check(table, arm)
        numbers, signs = [table.arm(stage.arm) for stage in stages], self.signs(arm)
        shape = (len(table.questions), table.scores.shape[2])
        asking, costs, standing = np.ones(shape, bool), np.zeros(shape), np.zeros(shape, np.intp)
        for count, number in enumerate(numbers, 1):
            asked = signs.take(range(count))
            # A gap stays one: 0 times not a number is not a number.
            costs = costs + asking * table.costs[:, number]
            standing = np.where(asking, final_of(stages[:count], asked, arm.final), standing)
            asking = asking & ~stops(stages[:count], asked)
        chosen = np.array(numbers)[standing][:, None, :]
        scores, right = (np.take_along_axis(cells, chosen, axis=1)[:, 0] for cells in (table.scores, self._right))
        flags = (self._answered, self._abstained)
        answered, abstained = (np.take_along_axis(cells, chosen, axis=1)[:, 0] for cells in flags)
        sure = np.take_along_axis(signs.sure, standing[None], axis=0)[0]
        withheld = withholds(arm, answered, sure)
        scores, right = np.where(withheld, 0.0, scores), np.where(withheld, 0.0, right)
        return scores, costs, answered & ~withheld, abstained, right, chosen[:, 0], sure

    def signs(self, arm: Arm) -> Signs:
        """What shows of the answers of a cascade's stages, along the first axis."""
        numbers = [self._table.arm(stage.arm) for stage in arm.stages]
        sure = np.stack([self._sure(number, stage) for number, stage in zip(numbers, arm.stages, strict=True)])
        signs = self._signs.take(numbers)
        return replace(signs, sure=np.where(signs.gave, sure, -np.inf))

    def _sure(self, number: int, stage: Stage) -> Floats:
        """(questions, replicates): how sure the answers of a stage are."""
        if stage.confidence is None:
            return np.asarray(self._signs.sure[number])
        key = (number, stage.confidence)
        if key not in self._known:
            self._known[key] = stage.confidence.of(*table_signs(self._table, number))
        return self._known[key]


def stage_signs(table: Table, arm: Arm) -> Signs:
    """(stages, questions, replicates): what shows of the answers of a cascade's stages, as its rules read them."""
    return _Cells(table).signs(arm)


def table_signs(table: Table, arm: int) -> tuple[Floats, list[str]]:
    """What `Confidence.of` takes: (3, questions, replicates) for an arm of a table, and the questions' families."""
    unknown = np.full((len(table.questions), table.scores.shape[2]), np.nan)
    fields = (table.thinking_tokens, table.output_tokens, table.confidences)
    signs = signs_of(*(unknown if each is None else each[:, arm] for each in fields))
    return signs, [question.family for question in table.questions]


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
        wrong_costs=table.wrong_costs,
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


def _check(table: Table, arm: Arm) -> None:
    """Makes sure that what the rules read is there."""
    stages = arm.stages
    rules = {stage.stop for stage in stages[:-1]}
    sure = [stage for stage in stages[:-1] if stage.stop == "confidence"]
    raw = any(stage.confidence is None for stage in sure)
    if arm.final == "most_confident" or arm.answers_at:
        # Of a stage that shows nothing nobody knows how sure it is, so that a surer one goes before it.
        raw, sure = raw or all(stage.confidence is None for stage in stages), list(stages)
    lacks = ""
    if raw and table.confidences is None:
        lacks = "confidence"
    elif table.answers is None and ("agrees" in rules or arm.final == "plurality"):
        lacks = "answer"
    elif table.answers is None and table.abstained is None and "answered" in rules:
        lacks = "abstained"
    for field in (field for stage in sure if stage.confidence is not None for field in stage.confidence.reads):
        if getattr(table, field) is None:
            lacks = {"confidences": "confidence"}.get(field, field)
    if lacks:
        raise UsageError(
            f"a cascade reads the {lacks} of every answer, and the table has none; "
            f"add a column {lacks!r} to the outcomes"
        )
