"""One list of arms, tried one after the other until an answer is good enough, for all questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from ...errors import UsageError
from ..tables.cascades import with_cascades
from ..tables.table import Arm, Batch, Lesson
from .arm_means import ArmMeans, OnMeans
from .base import Assignment
from .cascade_search import find_cascades
from .static import Static, mixed

__all__ = ["Cascade"]


class Cascade(OnMeans):
    """FrugalGPT (Chen, Zaharia and Zou 2023) and after: the best list of arms and stop rules in the budget.

    Of up to four arms, that is. All questions meet the same list, or one of the two lists, or arms, at the neighbouring
    corners of the upper hull: what mixing them at random reaches. Where wrong answers cost something, questions may be
    left unanswered too. See `find_cascades` for the search, which is on `Lesson.searched`.
    """

    name: ClassVar[str] = "cascade"
    policy: Literal["cascade"] = "cascade"
    seed: int = 0
    version: Literal[1, 2] = 1
    """Files of the first version serve the best list alone, and mix nothing."""

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`.

        Raises:
            UsageError: the table shows nothing of its answers that a cascade could stop on.
        """
        if not lesson.fit.shows_answers or not lesson.validation.shows_answers:
            raise UsageError(_NOTHING_SHOWN)
        return cls.from_cascades(lesson, find_cascades(lesson.searched))

    @classmethod
    def from_cascades(cls, lesson: Lesson, cascades: Sequence[Arm]) -> Self:
        """Like `fit`, with the cascades found already."""
        return cls(means=ArmMeans.of(with_cascades(lesson.searched, cascades)), seed=lesson.seed, version=2)

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`."""
        if self.version == 1:
            return Static(means=self.means).assign(batch, budget)
        return mixed(self.means, batch, budget, self.seed, unanswered=self.wrong_costs > 0)


_NOTHING_SHOWN = (
    "policy 'cascade' needs something to stop on, and the table has neither confidences nor answers nor abstentions "
    "nor tokens; choose arms that vote or are verified, or add a column confidence, answer, abstained or "
    "thinking_tokens to the outcomes"
)
