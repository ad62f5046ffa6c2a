"""The cheapest arm that is likely enough to do as well as a reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Ints
from ..prediction.predictor import Predictor
from ..tables.table import Lesson
from .arm_means import ArmMeans
from .bisection import turned
from .learned import Learned
from .logistic import LogisticHeads
from .quality_gap import gap_targets
from .schedule import MakePlan
from .view import View

__all__ = ["BestRoute"]

_REFERENCES = 5
_MOST = (0.5, 0.7, 0.85, 1.0)


class BestRoute(Learned):
    """BEST-Route (Ding et al. 2025): the cheapest of all (model, samples) that matches the reference likely enough.

    One head for every arm says how likely it does as well as the reference arm; the reference itself always does. A
    question gets the cheapest arm above a threshold that the budget decides and that is the same for all questions.
    The reference, one of the arms that are best for their cost on average, and how high the threshold may go,
    validation decides for every budget.
    """

    name: ClassVar[str] = "best_route"
    has_own_model: ClassVar[bool] = True
    policy: Literal["best_route"] = "best_route"
    references: tuple[int, ...] = ()
    heads: LogisticHeads = LogisticHeads(weights=np.empty((0, 0)), bias=np.empty(0))
    """For every reference, one for every arm."""

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        if not all(0 <= arm < arms for arm in self.references):
            return "references"
        return "" if self.heads.fits(columns, arms * len(self.references)) else "heads"

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        references = ArmMeans.of(lesson.fit, lesson.validation).frontier(_REFERENCES).tolist()
        pairs = [(arm, reference) for reference in references for arm in range(len(predictor.arms))]
        parts = (lesson.fit, lesson.validation)
        targets = [np.column_stack([gap_targets(part, pair, 0.0) for pair in pairs]) for part in parts]
        seen = [View(predictor, part.batch()).matrix for part in parts]
        heads = LogisticHeads.fit(seen[0], targets[0], seen[1], targets[1])
        return cls(predictor=predictor, references=tuple(references), heads=heads)

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every reference and highest threshold."""
        matched = self.heads.predict(view.matrix)
        arms = len(self.arms)

        def plan(number: int, most: float, budget: float) -> Ints | None:
            likely = matched[:, number * arms : (number + 1) * arms].copy()
            likely[:, self.references[number]] = 1.0

            def at(threshold: float) -> Ints:
                costs = np.where(likely >= threshold, view.planning, np.inf)
                return np.asarray(np.argmin(costs, axis=1), np.intp)

            return turned(at, view.planning, budget, most)

        return [partial(plan, number, most) for number in range(len(self.references)) for most in _MOST]
