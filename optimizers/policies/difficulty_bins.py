"""One choice for all questions of about the same difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Floats, Ints
from ..prediction.fitted import Array, Fitted
from ..prediction.predictor import Predictor, cross_fitted
from ..tables.table import Lesson
from .learned import Learned
from .schedule import MakePlan
from .view import View

__all__ = ["Bins", "DifficultyBins", "bins_of"]

_COUNTS = (1, 3, 5, 8)
_LEAST = 10
"""Questions a bin, at the least."""


class Bins(Fitted):
    """Questions sorted into bins by difficulty, with what every arm scores in each."""

    edges: Array
    """(bins - 1,), rising, of the expected score."""
    scores: Array
    """(bins, arms): means."""

    def lookup(self, expected: Floats) -> Floats:
        """(questions, arms): the means of the bin of each question."""
        return np.asarray(self.scores[np.searchsorted(self.edges, expected, side="right")])


class DifficultyBins(Learned):
    """Compute-optimal scaling (Snell et al. 2024): difficulty bins, and the best arms for each bin.

    How hard a question is, is predicted without its answer: the expected score, averaged over the arms. Questions are
    sorted into bins of equal size, each with the mean scores of the questions in it, none of which took part in its own
    prediction. The budget goes to the bins where it gains most. The number of bins, validation decides for each budget.
    """

    name: ClassVar[str] = "difficulty_bins"
    has_own_model: ClassVar[bool] = True
    policy: Literal["difficulty_bins"] = "difficulty_bins"
    bins: tuple[Bins, ...] = ()

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        for each in self.bins:
            if each.edges.ndim != 1 or each.scores.shape != (len(each.edges) + 1, arms):
                return "bins"
        return ""

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        expected = cross_fitted(lesson, predictor.shrunk(1.0)).scores.mean(axis=1)
        counts = [count for count in _COUNTS if count == 1 or count * _LEAST <= len(expected)]
        bins = tuple(bins_of(expected, lesson.fit.mean_scores, count) for count in counts)
        return cls(predictor=predictor, bins=bins)

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every number of bins."""

        def plan(bins: Bins, budget: float) -> Ints | None:
            return view.plan(bins.lookup(view.scores().mean(axis=1)), budget)

        return [partial(plan, bins) for bins in self.bins]


def bins_of(expected: Floats, scores: Floats, count: int) -> Bins:
    """Bins of equal size.

    Args:
        expected: (questions,): forecasts that did not learn from the question.
        scores: (questions, arms).
        count: how many bins; fewer where forecasts are equal.
    """
    edges = np.unique(np.quantile(expected, np.arange(1, count) / count))
    numbers = np.searchsorted(edges, expected, side="right")
    # With few different forecasts some bins are empty; they have the mean of all.
    rows = [scores[numbers == number] for number in range(len(edges) + 1)]
    return Bins(edges=edges, scores=np.array([(row if len(row) else scores).mean(axis=0) for row in rows]))
