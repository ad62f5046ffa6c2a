"""A rival at another's cost: its own budget is turned until it costs as much on the very questions that are compared.

Of the budgets that are tried the two neighbours serve whose costs are around the cost that is wanted; a share of the
questions, whichever they are, is served under the dearer one. Costs choose them, and scores are not looked at: a
mixture that is chosen because it scored well on some questions scores less on others, and who is held against it seems
to gain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_APART = 0.1
"""So far from the cost that is met, as a share of it, are the two costs between which the slope is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """What a policy does under two budgets; the same twice where no budget makes it cost as much, or as little."""

    low: PathChoice
    high: PathChoice
    slope: float = 0.0
    """Score gained for cost around there. It tells what a draw of questions lost that cost less than what is met, and
    is of no consequence on all questions, where the cost is met."""

    @property
    def columns(self) -> Floats:
        """(questions, 4): score and cost under the one, then under the other."""
        return np.column_stack([self.low.scores, self.low.costs, self.high.scores, self.high.costs])

    @property
    def meets(self) -> bool:
        """Whether there is a share that meets the cost."""
        return self.low is not self.high

    def share(self, cost: float) -> float:
        """Of the questions, those that are served under the dearer budget, to cost so much."""
        low, high = float(self.low.costs.mean()), float(self.high.costs.mean())
        return (cost - low) / (high - low) if self.meets else 0.0

    def cost(self, cost: float) -> float:
        """What it costs where so much is wanted."""
        return cost if self.meets else float(self.low.costs.mean())


def neighbours(policy: ArmPolicy, table: Table, batch: Batch, budget: float, cost: float) -> Neighbours:
    """The two budgets around a cost.

    Args:
        policy: see `choice_of`.
        table: see `choice_of`.
        batch: see `choice_of`.
        budget: per question, where the search begins.
        cost: per question: what is to be met.
    """
    tried: dict[int, PathChoice] = {}

    def at(step: int) -> PathChoice:
        if step not in tried:
            tried[step] = choice_of(policy, table, batch, budget * _STEP**step)
        return tried[step]

    step = 0
    while at(step).costs.mean() > cost and step > -_REACH:
        step -= 1
    low = at(step)
    if low.costs.mean() > cost:
        return Neighbours(low, low)
    below = step
    while step < _REACH:
        step += 1
        if at(step).costs.mean() > cost:
            return Neighbours(low, at(step), _slope(at, below, step, cost))
        low = at(step) if at(step).costs.mean() > low.costs.mean() else low
    return Neighbours(low, low)


def _slope(at: Callable[[int], PathChoice], below: int, above: int, cost: float) -> float:
    """Between two budgets whose costs are well apart; 0 where none are."""
    while at(below).costs.mean() > (1 - _APART) * cost and below > -_REACH:
        below -= 1
    while at(above).costs.mean() < (1 + _APART) * cost and above < _REACH:
        above += 1
    apart = float(at(above).costs.mean() - at(below).costs.mean())
    gained = float(at(above).scores.mean() - at(below).scores.mean())
    return gained / apart if apart > _APART * cost else 0.0


def at_cost(pairs: Mapping[str, Neighbours], cost: Statistic, resample: Resample) -> dict[str, Statistic]:
    """The score of every policy where it costs so much.

    Args:
        pairs: by policy.
        cost: that is met; it differs from draw to draw, and so does what the two budgets cost.
        resample: of the questions.
    """
    columns = np.column_stack([pair.columns for pair in pairs.values()])
    means = Statistic.means(columns, resample)
    found = {}
    for number, (name, pair) in enumerate(pairs.items()):
        low_score, low_cost, high_score, high_cost = means[4 * number : 4 * number + 4]
        share = pair.share(cost.estimate)
        score = (1 - share) * low_score + share * high_score
        spent = (1 - share) * low_cost + share * high_cost
        found[name] = score + pair.slope * (cost - spent) if pair.meets else score
    return found
