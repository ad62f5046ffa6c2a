"""A rival at another's cost: its own budget is turned until it costs as much on the very questions that are compared.

Of the budgets that are tried the two neighbours serve whose costs are around the cost that is wanted; a share of the
questions, whichever they are, is served under the dearer one. Costs choose them, and scores are not looked at: a
mixture that is chosen because it scored well on some questions scores less on others, and who is held against it seems
to gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from apportion.optimizers.arrays import Floats
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.tables.table import Batch, Table

from .draws import Resample, Statistic
from .paths import PathChoice, choice_of

__all__ = ["Neighbours", "at_cost", "neighbours"]

_STEP = 2**0.25
"""From one budget to the next."""
_REACH = 12
"""So many budgets are tried on either side: up to eight times the one that is meant, and down to an eighth."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """What a policy does under two budgets; the same twice where no budget makes it cost as much, or as little."""

    low: PathChoice
    high: PathChoice

    @property
    def columns(self) -> Floats:
        """(questions, 4): score and cost under the one, then under the other."""
        return np.column_stack([self.low.scores, self.low.costs, self.high.scores, self.high.costs])

    def share(self, cost: float) -> float:
        """Of the questions, those that are served under the dearer budget, to cost so much."""
        low, high = float(self.low.costs.mean()), float(self.high.costs.mean())
        return (cost - low) / (high - low) if high > low else 0.0

    def cost(self, cost: float) -> float:
        """What it costs where so much is wanted."""
        low, high = float(self.low.costs.mean()), float(self.high.costs.mean())
        return cost if high > low else low


def neighbours(policy: ArmPolicy, table: Table, batch: Batch, budget: float, cost: float) -> Neighbours:
    """The two budgets around a cost.

    Args:
        policy: see `choice_of`.
        table: see `choice_of`.
        batch: see `choice_of`.
        budget: per question, where the search begins.
        cost: per question: what is to be met.
    """

    def at(step: int) -> PathChoice:
        return choice_of(policy, table, batch, budget * _STEP**step)

    step, low = 0, at(0)
    while low.costs.mean() > cost and step > -_REACH:
        step -= 1
        low = at(step)
    if low.costs.mean() > cost:
        return Neighbours(low, low)
    while step < _REACH:
        step += 1
        high = at(step)
        if high.costs.mean() > cost:
            return Neighbours(low, high)
        low = high if high.costs.mean() > low.costs.mean() else low
    return Neighbours(low, low)


def at_cost(pairs: Mapping[str, Neighbours], cost: Statistic, resample: Resample) -> dict[str, Statistic]:
    """The score of every policy where it costs so much, in every draw anew.

    Args:
        pairs: by policy.
        cost: that is met; it differs from draw to draw, and so do the shares that meet it.
        resample: of the questions.
    """
    columns = np.column_stack([pair.columns for pair in pairs.values()])
    means = Statistic.means(columns, resample)
    return {
        name: Statistic.of(_between, *means[4 * number : 4 * number + 4], cost) for number, name in enumerate(pairs)
    }


def _between(low_score: Floats, low_cost: Floats, high_score: Floats, high_cost: Floats, cost: Floats) -> Floats:
    apart = high_cost - low_cost
    share = np.divide(cost - low_cost, apart, out=np.zeros_like(apart), where=apart > 0)
    return np.asarray((1 - share) * low_score + share * high_score)
