"""A mixture of static arms, drawn at random: the least that a policy with an eye for questions must beat."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..fitted import Fitted
from ..knapsack import allocate
from ..table import Arm, Batch, Question
from .arm_means import ArmMeans
from .base import Assignment, Lesson
from .planning import assigned, planning_costs

__all__ = ["StaticMix"]


class StaticMix(Fitted):
    """The upper hull of the static arms in the plane of cost and score, abstention at no cost as its left end.

    Any point between two neighbours of the hull is reached by giving one of them to a share of the questions; which
    questions, the seed and their names decide. RouterBench (Hu et al. 2024) calls it the zero router.
    """

    name: ClassVar[str] = "static_mix"
    probe: ClassVar[str | None] = None
    policy: Literal["static_mix"] = "static_mix"
    means: ArmMeans
    """Over fit and validation."""
    seed: int

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `Policy.arms`."""
        return self.means.arms

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`."""
        return cls(means=ArmMeans.of(lesson.fit, lesson.validation), seed=lesson.seed)

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`; abstains where the budget is below the first arm of the hull."""
        scores, costs, high = self.means.for_questions(len(batch))
        # To the knapsack all questions are alike, and of those the first in line get the dearer arm.
        line = sorted(range(len(batch)), key=lambda i: self._place(batch.questions[i]))
        chosen: NDArray[np.intp] = np.empty(len(batch), np.intp)
        chosen[line] = allocate(scores, planning_costs(costs, high), budget, abstain=True)
        return assigned(chosen, costs, high)

    def _place(self, question: Question) -> bytes:
        return hashlib.sha256(f"{self.seed}/{question.name}".encode()).digest()
