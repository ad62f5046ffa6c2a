"""Routing between two arms by how likely the smaller one is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Floats, Ints
from ..prediction.predictor import Predictor
from ..tables.table import Lesson, Table
from .learned import Learned
from .logistic import LogisticHeads
from .pairs import promising_pairs, route_pair
from .rehearsal import on_validation
from .schedule import MakePlan, budget_ladder
from .view import View

__all__ = ["QualityGap", "gap_targets", "relaxation"]

_RELAXATIONS = np.linspace(0.0, 0.9, 10)
_LEAST = (0.0, 0.15, 0.3, 0.5)


class QualityGap(Learned):
    """Hybrid LLM (Ding et al. 2024): a classifier says how likely the smaller arm is as good as the larger one.

    It learns P(smaller >= larger - t), where t spreads the targets of the questions as far apart as it can, so that
    there is something to learn where the smaller arm is rarely as good. Questions with the lowest probability go to the
    larger arm, down to the threshold that the budget decides. The pair, and how unlikely it must at least be,
    validation decides for every budget; pairs that the common predictor finds worth little are not tried.
    """

    name: ClassVar[str] = "quality_gap"
    has_own_model: ClassVar[bool] = True
    policy: Literal["quality_gap"] = "quality_gap"
    pairs: tuple[tuple[int, int], ...] = ()
    """(smaller, larger)."""
    heads: LogisticHeads = LogisticHeads(weights=np.empty((0, 0)), bias=np.empty(0))
    """One for every pair."""

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        if not all(0 <= arm < arms for pair in self.pairs for arm in pair):
            return "pairs"
        return "" if self.heads.fits(columns, len(self.pairs)) else "heads"

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        pairs = promising_pairs(on_validation(lesson, predictor).view, budget_ladder(lesson)[::3])
        relaxed = [(pair, relaxation(lesson.fit, pair)) for pair in pairs]
        parts = (lesson.fit, lesson.validation)
        targets = [np.column_stack([gap_targets(part, pair, t) for pair, t in relaxed]) for part in parts]
        seen = [View(predictor, part.batch()).matrix for part in parts]
        heads = LogisticHeads.fit(seen[0], targets[0], seen[1], targets[1])
        return cls(predictor=predictor, pairs=tuple(pairs), heads=heads)

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every pair and least need."""
        need = 1 - self.heads.predict(view.matrix)

        def plan(number: int, least: float, budget: float) -> Ints | None:
            return route_pair(view, self.pairs[number], need[:, number], least, budget)

        return [partial(plan, number, least) for number in range(len(self.pairs)) for least in _LEAST]


def gap_targets(table: Table, pair: tuple[int, int], relaxation: float) -> Floats:
    """(questions,): how often a draw of the smaller arm comes within the relaxation of a draw of the larger one."""
    small, large = table.scores[:, pair[0]], table.scores[:, pair[1]]
    return np.asarray((small[:, :, None] >= large[:, None, :] - relaxation - 1e-9).mean(axis=(1, 2)))


def relaxation(table: Table, pair: tuple[int, int]) -> float:
    """The one at which the targets of two questions differ most on average; of equal ones the smallest."""
    return float(max(_RELAXATIONS, key=lambda t: (round(_spread(gap_targets(table, pair, t)), 12), -t)))


def _spread(values: Floats) -> float:
    ranks = 2 * np.arange(1, len(values) + 1) - len(values) - 1
    return float(2 * np.sum(ranks * np.sort(values)) / len(values) ** 2)
