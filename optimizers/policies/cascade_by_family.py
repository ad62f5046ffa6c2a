"""One cascade for each family of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..arrays import Floats, Ints
from ..frontier import hull, thinned
from ..prediction.fitted import Array, Fitted
from ..prediction.heads.base import folds_of
from ..tables.cascades import with_cascades
from ..tables.clusters import cluster_numbers
from ..tables.knapsack import allocate
from ..tables.table import Arm, Batch, Lesson, Question, Table
from .base import Assignment
from .cascade_search import MOST_CASCADES, find_cascades_for
from .planning import assigned, planning_costs
from .static import in_line

__all__ = ["CascadeByFamily", "FamilyMeans", "cascades_by_family"]

_PRIORS = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""How many questions the mean over all families weighs against those of one; which, held-out questions decide."""
_FOLDS = 5
_ENOUGH = 40
"""Questions of a family for which cascades of its own are searched."""
_FAMILIES = 4
"""The largest families have cascades of their own."""
_OTHERS = 0.25
"""How much a question of another family counts there."""


@dataclass(frozen=True, slots=True, eq=False)
class FamilyMeans:
    """Scores and costs of arms by family, drawn towards those over all families."""

    families: tuple[str, ...]
    scores: Floats
    """(families + 1, arms); the last row is over all."""
    costs: Floats
    high: Floats

    @classmethod
    def of(cls, table: Table) -> Self:
        """Of all questions of a table; how far to draw is decided on questions that were not learned from."""
        families = tuple(sorted({question.family for question in table.questions}))
        rows = rows_of(families, table.questions)
        prior = _prior(table.mean_scores, rows, len(families), cluster_numbers(table))
        costs = table.mean_costs
        highest = np.quantile(np.swapaxes(table.costs, 1, 2).reshape(-1, len(table.arms)), 0.95, axis=0)
        means = _drawn(costs, rows, len(families), prior)
        # The spread over all questions, at the level of the family.
        spread = highest / np.maximum(costs.mean(axis=0), 1e-300)
        scores = _drawn(table.mean_scores, rows, len(families), prior)
        return cls(families, scores, means, np.maximum(means * spread, means))

    def forecasts(self, questions: Sequence[Question]) -> tuple[Floats, Floats, Floats]:
        """(questions, arms) three times: scores, costs and their 95 % quantiles."""
        rows = rows_of(self.families, questions)
        return self.scores[rows], self.costs[rows], self.high[rows]


class CascadeByFamily(Fitted):
    """Buys for every family the arm or cascade that is worth most at the price all questions share.

    It knows no more of a question than its family; of one that it does not know, what holds for all. Means of a family
    are drawn towards those of all families, the more the fewer questions it has.
    """

    name: ClassVar[str] = "cascade_by_family"
    policy: Literal["cascade_by_family"] = "cascade_by_family"
    probe: ClassVar[str | None] = None
    arms: tuple[Arm, ...]
    families: tuple[str, ...]
    scores: Array
    """(families + 1, arms); the last row is over all families."""
    costs: Array
    """Likewise."""
    high: Array
    """Likewise: the 95 % quantiles of the costs."""
    seed: int = 0
    wrong_costs: float = Field(default=0.0, ge=0)
    """See `Table.wrong_costs`; where it is not 0, questions may be left unanswered."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shape = (len(self.families) + 1, len(self.arms))
        if not self.arms or any(each.shape != shape for each in (self.scores, self.costs, self.high)):
            raise ValueError("scores, costs and high must have a row for every family and one more, and all arms")
        if min(self.costs.min(), self.high.min()) < 0:
            raise ValueError("costs and high must not be negative")
        return self

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`; where the table shows nothing of answers, there are no cascades to choose."""
        return cls.from_cascades(lesson, cascades_by_family(lesson.searched)[1])

    @classmethod
    def from_cascades(cls, lesson: Lesson, cascades: Sequence[Arm]) -> Self:
        """Like `fit`, with the cascades found already."""
        whole = with_cascades(lesson.searched, cascades)
        means = FamilyMeans.of(whole)
        return cls(
            arms=whole.arms,
            families=means.families,
            scores=means.scores,
            costs=means.costs,
            high=means.high,
            seed=lesson.seed,
            wrong_costs=lesson.wrong_costs,
        )

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`."""
        if not len(batch):
            return Assignment(np.empty(0, np.intp), np.empty(0), np.empty(0))
        scores, costs, high = FamilyMeans(self.families, self.scores, self.costs, self.high).forecasts(batch.questions)
        line = in_line(batch.questions, self.seed)
        chosen: Ints = np.empty(len(batch), np.intp)
        planned = planning_costs(costs, high)[line]
        chosen[line] = allocate(scores[line], planned, budget, unanswered=self.wrong_costs > 0)
        return assigned(chosen, costs, high)


def rows_of(families: Sequence[str], questions: Sequence[Question]) -> Ints:
    """(questions,): the number of each one's family; as many as there are where it is not known."""
    numbers = {family: number for number, family in enumerate(families)}
    return np.array([numbers.get(question.family, len(families)) for question in questions], np.intp)


def cascades_by_family(table: Table) -> tuple[tuple[Arm, ...], tuple[Arm, ...]]:
    """Cascades found on all questions of a table, and those that some family would choose, at most 16 each.

    The second are of the first, and of what is best for the largest families.
    """
    counts: dict[str, int] = {}
    for question in table.questions:
        counts[question.family] = counts.get(question.family, 0) + 1
    large = sorted((f for f in counts if counts[f] >= _ENOUGH), key=lambda family: -counts[family])[:_FAMILIES]
    names = np.array([question.family for question in table.questions], object)
    own = [np.where(names == family, 1.0, _OTHERS) for family in large if len(counts) > 1]
    found = find_cascades_for(table, np.column_stack([np.ones(len(names)), *own]))
    arms = tuple({arm.name: arm for cascades in found for arm in cascades}.values())
    if not arms:
        return (), ()
    means = FamilyMeans.of(with_cascades(table, arms))
    plans = len(table.arms)
    used: dict[int, float] = {}
    for scores, costs in zip(means.scores, means.costs, strict=True):
        for corner in hull(costs, scores).tolist():
            if corner >= plans:
                used.setdefault(corner - plans, float(means.costs[-1, corner]))
    cheapest_first = np.array(sorted(used, key=used.__getitem__), np.intp)
    kept = thinned(cheapest_first, MOST_CASCADES).tolist() if used else []
    return found[0], tuple(arms[i] for i in kept)


def _drawn(values: Floats, rows: Ints, families: int, prior: float) -> Floats:
    """(families + 1, arms): means of the families, drawn towards the mean of all, which is the last row."""
    sums = np.zeros((families, values.shape[1]))
    np.add.at(sums, rows, values)
    whole = values.mean(axis=0)
    counts = np.bincount(rows, minlength=families)[:, None]
    return np.vstack([(sums + prior * whole) / (counts + prior), whole])


def _prior(values: Floats, rows: Ints, families: int, clusters: Ints | None) -> float:
    if len(values) < _FOLDS:
        return _PRIORS[-1]
    folds = folds_of(len(values), _FOLDS, 0, clusters)
    errors = [
        sum(
            float(
                (
                    (
                        _drawn(values[folds != f], rows[folds != f], families, prior)[rows[folds == f]]
                        - values[folds == f]
                    )
                    ** 2
                ).sum()
            )
            for f in range(_FOLDS)
        )
        for prior in _PRIORS
    ]
    return _PRIORS[int(np.argmin(errors))]
