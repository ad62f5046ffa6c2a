"""A rival at another's cost: the best mixture of two of its budgets, chosen on validation and executed on test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apportion.optimizers.arrays import Floats
from apportion.optimizers.frontier import hull
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.tables.table import Batch, Table

from .paths import PathChoice, choice_of

__all__ = ["Mixture", "Sweep", "executed", "sweep_of"]

_BUDGETS = 20


@dataclass(frozen=True, slots=True)
class Mixture:
    """Two budgets of a policy; each question is served under one of them."""

    low: float
    """Per question."""
    high: float
    share: float
    """Of the questions, those that are served under `high`."""
    slope: float
    """Score gained for cost between the two, on validation."""


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What a policy costs and scores on validation for a ladder of budgets."""

    budgets: Floats
    costs: Floats
    """(budgets,): realised, per question."""
    scores: Floats
    """(budgets,)."""

    def hull(self) -> list[int]:
        """The positions on the upper concave hull of score over cost, from the cheapest on to the best."""
        found: list[int] = hull(self.costs, self.scores).tolist()
        return found

    def at(self, cost: float) -> Mixture:
        """The mixture that costs so much on validation; an end of the hull where the cost is beyond it."""
        corners = self.hull()
        costs = self.costs[corners]
        right = int(np.searchsorted(costs, cost))
        if right == 0 or right == len(corners):
            end = float(self.budgets[corners[min(right, len(corners) - 1)]])
            return Mixture(end, end, 0.0, 0.0)
        low, high = corners[right - 1], corners[right]
        share = (cost - costs[right - 1]) / (costs[right] - costs[right - 1])
        return Mixture(float(self.budgets[low]), float(self.budgets[high]), float(share), self._slope(low, high))

    def _slope(self, left: int, right: int) -> float:
        return float((self.scores[right] - self.scores[left]) / (self.costs[right] - self.costs[left]))


def sweep_of(policy: ArmPolicy, validation: Table, batch: Batch, caps: Sequence[float]) -> Sweep:
    """Tries a policy's budgets on validation, from the cheapest arm to the dearest, the caps among them."""
    costs = validation.mean_costs.mean(axis=0)
    ladder = np.geomspace(max(float(costs.min()), float(costs.max()) / 1000), float(costs.max()) * 1.2, _BUDGETS)
    budgets = np.unique(np.concatenate([ladder, caps]))
    found = [choice_of(policy, validation, batch, float(budget)) for budget in budgets]
    return Sweep(
        budgets,
        np.array([choice.costs.mean() for choice in found]),
        np.array([choice.scores.mean() for choice in found]),
    )


def executed(policy: ArmPolicy, table: Table, batch: Batch, mixture: Mixture, seed: int) -> PathChoice:
    """Serves a table by a mixture; the seed and a question's name decide which budget it is served under."""
    low = choice_of(policy, table, batch, mixture.low)
    if mixture.share <= 0:
        return low
    high = choice_of(policy, table, batch, mixture.high)
    dear = np.array([_uniform(question.name, seed) for question in table.questions]) < mixture.share
    return PathChoice(
        np.where(dear, high.arms, low.arms),
        np.where(dear, high.expected, low.expected),
        np.where(dear, high.scores, low.scores),
        np.where(dear, high.costs, low.costs),
    )


def _uniform(name: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
