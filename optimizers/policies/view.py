"""What a policy sees of a batch: forecasts and features, each computed once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from ..arrays import Floats, Ints
from ..prediction.predictor import Prediction, Predictor
from ..tables.knapsack import allocate
from ..tables.table import UNANSWERED, Batch
from .planning import planning_costs

__all__ = ["View"]


class View:
    """A batch through the eyes of a predictor.

    Args:
        predictor: what forecasts.
        batch: the questions.
        prediction: forecasts for them as learned, where they are at hand already.
    """

    def __init__(self, predictor: Predictor, batch: Batch, prediction: Prediction | None = None) -> None:
        self._predictor = predictor
        self._given = prediction
        self.batch = batch

    @cached_property
    def matrix(self) -> Floats:
        """(questions, columns): the predictor's features, for policies with a model of their own."""
        return self._predictor.encoder.encode(self.batch).matrix

    @cached_property
    def costs(self) -> Floats:
        """(questions, arms): predicted means, with what the probe costs."""
        return self._prediction.costs + self._predictor.probe_cost

    @cached_property
    def high(self) -> Floats:
        """(questions, arms): predicted 95 % quantiles, with what the probe costs."""
        return self._prediction.high + self._predictor.probe_high

    @cached_property
    def planning(self) -> Floats:
        """(questions, arms): the costs to plan with, the margin included."""
        return planning_costs(self.costs, self.high)

    def scores(self, share: float = 1.0) -> Floats:
        """(questions, arms): expected scores, drawn towards each arm's mean; a share of 1 is as predicted."""
        return np.asarray(share * self._prediction.scores + (1 - share) * self._prediction.arm_scores)

    def plan(self, values: Floats, budget: float, arms: Ints | None = None) -> Ints | None:
        """The most valuable arms within a budget, the margin kept; None where not even the cheapest of them fit.

        Where wrong answers cost something, a question may also get `UNANSWERED`, for no value and at no cost.

        Args:
            values: (questions, arms of the predictor); -inf for what a question does not admit.
            budget: for all questions together.
            arms: those to choose from; all where left out.
        """
        costs = self.planning
        if arms is not None:
            values, costs = values[:, arms], costs[:, arms]
        unanswered = self._predictor.wrong_costs > 0
        if not unanswered and np.where(values > -np.inf, costs, np.inf).min(axis=1).sum() > budget:
            return None
        chosen = allocate(values, costs, budget, unanswered=unanswered)
        return chosen if arms is None else np.where(chosen == UNANSWERED, UNANSWERED, arms[chosen])

    def spending(self, share: float = 1.0, arms: Ints | None = None) -> Callable[[float], Ints | None]:
        """From a budget to what `plan` makes of it on the scores drawn by a share, with some arms to choose from."""
        return lambda budget: self.plan(self.scores(share), budget, arms)

    @cached_property
    def _prediction(self) -> Prediction:
        return self._given or self._predictor.shrunk(1.0).predict(self.batch)
