"""Compute given where the next unit of it gains most, on one ladder of arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from ..prediction.predictor import Predictor
from ..tables.table import Lesson
from .arm_means import ArmMeans
from .grouped import groups_of
from .learned import Learned
from .schedule import MakePlan
from .view import View

__all__ = ["MarginalGain"]


class MarginalGain(Learned):
    """Adaptive allocation by predicted marginal gain (Damani et al. 2024, "Learning How Hard to Think").

    Every question begins with the cheapest arm of a ladder; the upgrade that is predicted to gain most for its cost is
    bought next, until the budget is spent. Upgrades lead along each question's concave envelope, so a ladder on which
    gains rise before they fall is climbed in one step where that is better. The ladder is one model's settings, or the
    arms that are best for their cost on average; which, rehearsal decides for every budget. Predictions count as they
    are.
    """

    name: ClassVar[str] = "marginal_gain"
    policy: Literal["marginal_gain"] = "marginal_gain"
    frontier: tuple[int, ...] = ()
    """The arms that are best for their cost on average."""

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        return "" if self.frontier and all(0 <= arm < arms for arm in self.frontier) else "frontier"

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        means = ArmMeans.of(lesson.fit, lesson.validation)
        return cls(predictor=predictor, frontier=tuple(means.frontier(len(means.arms)).tolist()))

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every ladder."""
        ladders = [np.array(self.frontier, np.intp), *groups_of([arm.models for arm in self.arms])]
        return [view.spending(arms=ladder) for ladder in ladders]
