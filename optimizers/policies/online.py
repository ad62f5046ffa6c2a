"""Questions decided one by one, in their order, at a price that follows what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Floats, Ints
from ..prediction.fitted import Array
from ..prediction.predictor import Predictor
from ..tables.knapsack import price_for
from ..tables.table import Lesson
from .learned import SHARES, Learned
from .schedule import MakePlan, budget_ladder
from .view import View

__all__ = ["Online"]

_STEP = 0.3
"""How far the price moves, against itself, for the first question that costs the rate more or less than the rate."""
_LEAST_PRICE = 0.05
"""The least that a step is measured against: so much score for what a question may cost on average."""
_SETTLED = 100
"""After so many questions steps shrink no further, so that a debt is always paid back within some dozens of them."""


class Online(Learned):
    """Dual pacing (Balseiro, Lu and Mirrokni 2020): each question gets the arm that is worth most at the price now.

    The price begins where validation's knapsack has it for the same rate of spending. It rises when a question cost
    more than the rate and falls when it cost less, in steps that first shrink with the root of the number of questions
    and then stay, so that how many are still to come need not be known. What the cheapest arms of the rest of the batch
    cost is held back.
    """

    name: ClassVar[str] = "online"
    policy: Literal["online"] = "online"
    rates: Array = np.empty(0)
    """(rungs,), rising: what a question may cost on average."""
    prices: Array = np.empty((0, 0))
    """(shares, rungs): the price at which validation's knapsack spends that."""

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        return "" if self.rates.ndim == 1 and self.prices.shape == (len(SHARES), len(self.rates) or -1) else "prices"

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        view, rates = View(predictor, lesson.validation.batch()), budget_ladder(lesson)
        count = len(view.batch)
        prices = [[price_for(view.scores(s), view.costs, float(rate) * count) for rate in rates] for s in SHARES]
        finite = np.where(np.isfinite(prices), prices, 1 / rates)
        return cls(predictor=predictor, rates=rates, prices=finite)

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every share."""

        def plan(number: int, budget: float) -> Ints | None:
            rate = budget / len(view.batch)
            price = float(np.interp(rate, self.rates, self.prices[number]))
            return _paced(view.scores(SHARES[number]), view.planning, budget, price)

        return [partial(plan, number) for number in range(len(SHARES))]


def _paced(values: Floats, costs: Floats, budget: float, price: float) -> Ints | None:
    """(questions,): the arms, decided in order; None where not even the cheapest ones fit."""
    least = costs.min(axis=1)
    left = budget - float(least.sum())
    if left < 0:
        return None
    rate = budget / len(costs)
    step = _STEP * max(price, _LEAST_PRICE / rate) / rate if rate > 0 else 0.0
    chosen = np.empty(len(costs), np.intp)
    for number, (value, cost, floor) in enumerate(zip(values, costs, least, strict=True)):
        worth = np.where(cost - floor <= left, value - price * cost, -np.inf)
        arm = int(np.argmin(np.where(worth == worth.max(), cost, np.inf)))
        chosen[number] = arm
        left -= float(cost[arm] - floor)
        price = max(0.0, price + step / np.sqrt(min(number + 1, _SETTLED)) * float(cost[arm] - rate))
    return chosen
