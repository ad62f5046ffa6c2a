"""What policies score with any budget on questions that they have not learned from, all of a table's in turn."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.arrays import Floats
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.prediction.heads.base import folds_of
from apportion.optimizers.tables.table import Table
from benchmarks.recorded_halves import lesson_of

__all__ = ["crossed_scores", "ladder"]

_BUDGETS = 30
_FOLDS = 3


def ladder(table: Table) -> Floats:
    """Budgets a question in equal ratios, from the cheapest arm to beyond the dearest."""
    costs = table.mean_costs.mean(axis=0)
    return np.geomspace(float(costs.min()), 1.2 * float(costs.max()), _BUDGETS)


def crossed_scores(
    policies: Collection[str], table: Table, budgets: Floats, budget: float, seed: int
) -> Mapping[str, Floats]:
    """By policy, (budgets,): mean scores where each third of the questions is answered by what the others taught.

    Args:
        policies: their names.
        table: what is learned from.
        budgets: per question.
        budget: the one that the policies are fitted for.
        seed: of the thirds.
    """
    folds = folds_of(len(table.questions), _FOLDS, seed)
    found = {name: np.zeros(len(budgets)) for name in policies}
    for fold in range(_FOLDS):
        out = table.take(np.flatnonzero(folds == fold))
        fitted = fit_all(policies, lesson_of(table.take(np.flatnonzero(folds != fold)), budget, seed))
        for name, policy in fitted.items():
            found[name] += [simulate(policy, out, each * len(out.questions)).scores.sum() for each in budgets]
    return {name: total / len(folds) for name, total in found.items()}
