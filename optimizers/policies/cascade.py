"""Arms tried one after the other until one is sure enough."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from ...errors import UsageError
from ..arrays import Floats, Ints
from ..frontier import thinned, undominated
from ..tables.table import ABSTAIN, Arm, Batch, Lesson, Stage, Table
from .arm_means import ArmMeans, OnMeans
from .base import Assignment
from .static import Static

__all__ = ["Cascade", "cascade_arm", "cascade_outcomes", "outcomes_of", "refuse_gaps"]

_LEVELS = np.linspace(0.1, 0.9, 9)
"""Quantiles of an arm's confidences that are tried as thresholds."""
_BEAM = 24
"""Cascades of two stages that are tried with a third."""
_KEPT = 32
"""Cascades that are left to choose from, along the frontier of cost and score."""


class Cascade(OnMeans):
    """FrugalGPT (Chen, Zaharia and Zou 2023): the best list of up to three arms, and thresholds, within the budget.

    An answer stands where the arm's confidence reaches its threshold; otherwise the next arm is asked, and all that was
    asked is paid for. All questions meet the same list. Lists and thresholds are searched on the fit part: all pairs,
    then the best of them with a third arm; those on the frontier are measured again on both parts. They are arms with
    stages, beside those of the table.
    """

    name: ClassVar[str] = "cascade"
    policy: Literal["cascade"] = "cascade"

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`.

        Raises:
            UsageError: no arm says how sure it is.
        """
        found = _search(lesson.fit)
        return cls(means=ArmMeans.of(_with(lesson.fit, found), _with(lesson.validation, found)))

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`."""
        return Static(means=self.means).assign(batch, budget)


def cascade_arm(stages: tuple[Stage, ...]) -> Arm:
    """The arm that a cascade is, named by its content."""
    content = json.dumps([[stage.arm, stage.sure] for stage in stages], ensure_ascii=False)
    return Arm(f"cascade-{hashlib.sha256(content.encode()).hexdigest()[:16]}", stages=stages)


def cascade_outcomes(table: Table, stages: Iterable[Stage]) -> tuple[Floats, Floats]:
    """(questions, replicates) twice: the scores and the costs of a cascade, from those of its stages.

    Raises:
        UsageError: the table has no confidences, or lacks an arm.
    """
    if table.confidences is None:
        raise UsageError(_NO_CONFIDENCES)
    scores = np.zeros((len(table.questions), table.scores.shape[2]))
    costs, asking = np.zeros_like(scores), np.ones(scores.shape, bool)
    for stage in stages:
        arm = table.arm(stage.arm)
        scores, costs = np.where(asking, table.scores[:, arm], scores), costs + asking * table.costs[:, arm]
        # Not a number is never sure.
        asking = asking & ~(table.confidences[:, arm] >= stage.sure)
    return scores, costs


def outcomes_of(arms: Sequence[Arm], table: Table) -> tuple[Floats, Floats]:
    """(questions, arms, replicates) twice: scores and costs of arms of a table, and of cascades of these.

    Raises:
        UsageError: the table lacks an arm, or has no confidences, which a cascade needs.
    """
    known = {arm.name for arm in table.arms}
    found = []
    for arm in arms:
        if arm.stages and arm.name not in known:
            found.append(cascade_outcomes(table, arm.stages))
        else:
            number = table.arm(arm.name)
            found.append((table.scores[:, number], table.costs[:, number]))
    scores, costs = zip(*found, strict=True)
    return np.stack(scores, axis=1), np.stack(costs, axis=1)


def refuse_gaps(costs: Floats, numbers: Ints, chosen: Ints, arms: Sequence[Arm], table: Table) -> None:
    """Makes sure that what was chosen for some questions of a table was run there.

    Args:
        costs: (questions, arms) of the whole table; NaN where an arm was not run.
        numbers: of the questions that are decided.
        chosen: of these, numbers of `arms`, or `ABSTAIN`.
        arms: what the policy may choose.
        table: whose questions they are.

    Raises:
        UsageError: it was not; nothing can be said of that policy then.
    """
    unknown = np.isnan(np.where(chosen == ABSTAIN, 0.0, costs[numbers, chosen]))
    if unknown.any():
        first = int(np.argmax(unknown))
        question, arm = table.questions[numbers[first]], arms[chosen[first]]
        raise UsageError(
            f"the policy chooses arm {arm.name!r} for question {question.name!r} of family {question.family!r}, on "
            "which it was not run: fit the policy on questions of this family too (a smaller --set-aside leaves more "
            "of them), or leave the family out"
        )


_NO_CONFIDENCES = (
    "policy 'cascade' needs the confidence of every answer, and the table has none; choose arms that vote or are "
    "verified, or add a confidence column to the outcomes"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    stages: tuple[Stage, ...]
    score: float
    cost: float


def _search(table: Table) -> list[tuple[Stage, ...]]:
    """The cascades on the frontier, single arms not among them."""
    if table.confidences is None or np.isnan(table.confidences).all():
        raise UsageError(_NO_CONFIDENCES)
    order = [int(arm) for arm in np.argsort(table.mean_costs.mean(axis=0), kind="stable")]
    single = [_Found((_last(table, arm),), *_means(table, (_last(table, arm),))) for arm in order]
    pairs = [_Found(s, *_means(table, s)) for s in _extended(table, [(_last(table, arm),) for arm in order], order)]
    best = _frontier([*single, *pairs], _BEAM)
    triples = [
        _Found(s, *_means(table, s)) for s in _extended(table, [f.stages for f in best if len(f.stages) > 1], order)
    ]
    kept = _frontier([*single, *pairs, *triples], _KEPT)
    return [found.stages for found in kept if len(found.stages) > 1]


def _extended(table: Table, lists: Iterable[tuple[Stage, ...]], order: list[int]) -> Iterator[tuple[Stage, ...]]:
    """Every list with one dearer arm after it, at every threshold of its last stage."""
    assert table.confidences is not None
    for stages in lists:
        *before, last = stages
        number = table.arm(last.arm)
        said = table.confidences[:, number]
        said = said[~np.isnan(said)]
        if not len(said):
            continue
        for sure in np.unique(np.quantile(said, _LEVELS)):
            for arm in order[order.index(number) + 1 :]:
                yield (*before, Stage(last.arm, float(sure)), _last(table, arm))


def _last(table: Table, arm: int) -> Stage:
    return Stage(table.arms[arm].name, 0.0)


def _means(table: Table, stages: tuple[Stage, ...]) -> tuple[float, float]:
    scores, costs = cascade_outcomes(table, stages)
    return float(scores.mean()), float(costs.mean())


def _frontier(found: list[_Found], most: int) -> list[_Found]:
    """Those that no other beats in both, in the order of cost; evenly thinned where there are more than asked for."""
    short_first = sorted(found, key=lambda one: len(one.stages))
    costs, scores = np.array([(one.cost, one.score) for one in short_first]).T
    return [short_first[i] for i in thinned(undominated(costs, scores), most)]


def _with(table: Table, cascades: list[tuple[Stage, ...]]) -> Table:
    """The table with cascades as further arms."""
    arms = (*table.arms, *map(cascade_arm, cascades))
    return Table(table.questions, arms, *outcomes_of(arms, table), table.unit)
