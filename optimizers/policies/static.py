"""Static policies: one arm for all questions, or a random mixture; what an eye for questions must beat at least."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Ints
from ..tables.cascades import with_cascades
from ..tables.knapsack import allocate
from ..tables.table import UNANSWERED, Batch, Lesson, Question
from .arm_means import ArmMeans, OnMeans
from .base import Assignment
from .cascade_search import find_selective
from .planning import assigned, planning_costs

__all__ = ["Static", "StaticMix", "in_line", "mixed"]


class Static(OnMeans):
    """Gives every question the best arm that the budget allows for all of them, also called uniform allocation.

    Where wrong answers cost so much that no answer is better than any arm's, it leaves all of them unanswered.
    """

    name: ClassVar[str] = "static"
    policy: Literal["static"] = "static"

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`; nothing is tuned, so it may learn from both parts where neither judges it."""
        return cls(means=ArmMeans.of(lesson.searched))

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`."""
        _, costs, high = self.means.for_questions(len(batch))
        totals = planning_costs(costs, high).sum(axis=0)
        # In the order of cost, so that of equally good arms the cheapest is taken.
        order = np.lexsort((-self.means.scores, self.means.costs))
        affordable = [int(arm) for arm in order if totals[arm] <= budget]
        best = max(affordable, key=lambda arm: float(self.means.scores[arm]), default=int(order[0]))
        if self.means.scores[best] < 0:  # wrong answers cost more than right ones bring
            best = UNANSWERED
        return assigned(np.full(len(batch), best, np.intp), costs, high)


class StaticMix(OnMeans):
    """The upper hull of the static arms in the plane of cost and score, abstention at no cost as its left end.

    Where wrong answers cost something, arms that withhold what they are not sure of are among them.

    Any point between two neighbours of the hull is reached by giving one of them to a share of the questions; which
    questions, the seed and their names decide. RouterBench (Hu et al. 2024) calls it the zero router.
    """

    name: ClassVar[str] = "static_mix"
    policy: Literal["static_mix"] = "static_mix"
    seed: int

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`."""
        table = lesson.searched
        if lesson.wrong_costs:
            table = with_cascades(table, find_selective(table))
        return cls(means=ArmMeans.of(table), seed=lesson.seed)

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`; leaves questions unanswered where the budget is below the first arm of the hull."""
        return mixed(self.means, batch, budget, self.seed, unanswered=True)


def mixed(means: ArmMeans, batch: Batch, budget: float, seed: int, *, unanswered: bool = False) -> Assignment:
    """What mixing arms at random reaches: two neighbours on the hull of the means, drawn by seed and name.

    Args:
        means: of the arms.
        batch: the questions.
        budget: for all of them together.
        seed: of the drawing.
        unanswered: whether the left end of the hull is to answer nothing; otherwise it is the cheapest arm.
    """
    scores, costs, high = means.for_questions(len(batch))
    # To the knapsack all questions are alike, and of those the first in line get the dearer arm.
    line = in_line(batch.questions, seed)
    chosen: Ints = np.empty(len(batch), np.intp)
    chosen[line] = allocate(scores, planning_costs(costs, high), budget, unanswered=unanswered)
    return assigned(chosen, costs, high)


def in_line(questions: Sequence[Question], seed: int) -> list[int]:
    """The numbers of questions in an order that a seed and their names decide, and nothing else."""
    places = [_place(seed, question.name) for question in questions]
    return sorted(range(len(places)), key=places.__getitem__)


@lru_cache(maxsize=4096)
def _place(seed: int, name: str) -> bytes:
    """Kept for the reference questions, which stand in line again with every question that is decided beside them."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
