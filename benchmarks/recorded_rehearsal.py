"""What a policy would do with any budget on the questions it learned from, each forecast by what has not seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.joint_safe import JointSafe
from apportion.optimizers.policies.learned import Learned
from apportion.optimizers.policies.rehearsal import rehearse
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import UNANSWERED, Lesson, Table

__all__ = ["Stage", "ladder"]

_BUDGETS = 30


def ladder(table: Table) -> Floats:
    """Budgets a question in equal ratios, from the cheapest arm to beyond the dearest."""
    costs = table.mean_costs.mean(axis=0)
    return np.geomspace(float(costs.min()), 1.2 * float(costs.max()), _BUDGETS)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Where policies rehearse: validation and, where that is small, the fit part with cross-fitted forecasts."""

    view: View
    scores: Floats
    """(questions, arms)."""

    @classmethod
    def of(cls, lesson: Lesson, predictor: Predictor) -> Stage:
        """The rehearsal of a lesson."""
        found = rehearse(lesson, predictor)
        return cls(found.view, found.scores)

    def sweep(self, policy: ArmPolicy, budgets: Floats) -> Floats:
        """(budgets,): what the policy really scores there for each budget a question."""
        return np.array([self._reached(policy, float(budget)) for budget in budgets])

    def _reached(self, policy: ArmPolicy, budget: float) -> float:
        chosen = _planned(policy, self.view, budget)
        everyone, answered = np.arange(len(chosen)), chosen != UNANSWERED
        return float(np.where(answered, self.scores[everyone, chosen], 0.0).mean())


def _planned(policy: ArmPolicy, view: View, budget: float) -> Ints:
    """The arms that a policy gives the questions of a view, on the forecasts of that view."""
    count = len(view.batch)
    if isinstance(policy, JointSafe):
        return _planned(policy.member(budget), view, budget)
    if isinstance(policy, Learned):
        return policy.choose(view, budget * count)
    return policy.assign(view.batch, budget * count).arms
