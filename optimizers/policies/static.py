"""One arm for all questions: what a program does that is configured once."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np

from ..fitted import Fitted
from ..table import Arm, Batch
from .arm_means import ArmMeans
from .base import Assignment, Lesson
from .planning import assigned, planning_costs

__all__ = ["Static"]


class Static(Fitted):
    """Gives every question the best arm that the budget allows for all of them, also called uniform allocation."""

    name: ClassVar[str] = "static"
    probe: ClassVar[str | None] = None
    policy: Literal["static"] = "static"
    means: ArmMeans
    """Over fit and validation: nothing is tuned, so both may be learned from."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `Policy.arms`."""
        return self.means.arms

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`."""
        return cls(means=ArmMeans.of(lesson.fit, lesson.validation))

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`."""
        _, costs, high = self.means.for_questions(len(batch))
        totals = planning_costs(costs, high).sum(axis=0)
        # In the order of cost, so that of equally good arms the cheapest is taken.
        order = np.lexsort((-self.means.scores, self.means.costs))
        affordable = [int(arm) for arm in order if totals[arm] <= budget]
        best = max(affordable, key=lambda arm: float(self.means.scores[arm]), default=int(order[0]))
        return assigned(np.full(len(batch), best, np.intp), costs, high)
