"""Which of a policy's ways of planning serves at which budget, as a rehearsal found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from ..arrays import Floats, Ints
from ..prediction.fitted import Array, Fitted
from ..tables.table import Lesson
from .planning import taken
from .rehearsal import Rehearsal

__all__ = ["MakePlan", "Schedule", "budget_ladder", "fit_schedule"]

MakePlan = Callable[[float], Ints | None]
"""From a budget for all questions to their arms; None where the budget is not enough for that way."""

_RUNGS = 18
_PLENTY = 10.0
"""Times the mean cost of the dearest arm: a budget that binds nobody."""
_ROUNDING = 1e-9


class Schedule(Fitted):
    """The way of planning that did best in rehearsal, for a ladder of budgets."""

    budgets: Array
    """(rungs,), rising: per question, in the unit of the tables."""
    choices: tuple[int, ...]
    """For every rung, the number of the way."""
    spends: Array = Field(default_factory=lambda: np.empty(0))
    """(rungs,): the budget that the way is given: the rung's own, or that of a rung below which scored more. Empty in
    files of the first version, where every rung spends its own."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.budgets.shape != (len(self.choices),) or any(choice < 0 for choice in self.choices):
            raise ValueError("budgets and choices must be two lists of one length, choices not negative")
        if self.spends.shape not in ((0,), self.budgets.shape):
            raise ValueError("spends must be as long as budgets, or empty")
        if len(self.spends) and ((self.spends > self.budgets).any() or (np.diff(self.spends) < 0).any()):
            raise ValueError("spends must not fall, or be above the budgets")
        return self

    def spent(self, budget: float) -> float:
        """How much of a budget per question is to be used: no more than a rung above it uses, where that is less."""
        if not len(self.spends):
            return budget
        above = min(int(np.searchsorted(self.budgets, budget)), len(self.budgets) - 1)
        return min(budget, float(self.spends[above])) if self.spends[above] < self.budgets[above] else budget

    def ways(self, budget: float) -> Iterator[int]:
        """The ways to try at a budget per question: that of its own rung, then those of the rungs below."""
        if self.choices:
            rung = max(int(np.searchsorted(self.budgets, budget, side="right")) - 1, 0)
            yield from dict.fromkeys(self.choices[rung::-1])


def budget_ladder(lesson: Lesson) -> Floats:
    """Budgets per question at which ways of planning are compared.

    From the mean cost of the cheapest arm to that of the dearest in even ratios, the lesson's own budget, and one that
    binds nobody.
    """
    costs = lesson.fit.mean_costs.mean(axis=0)
    dearest = max(float(costs.max()), 1e-12)
    rungs = np.geomspace(max(float(costs.min()), dearest / 1000), dearest, _RUNGS)
    return np.unique(np.append(rungs, [lesson.budget, _PLENTY * dearest]))


def fit_schedule(budgets: Floats, plans: Sequence[MakePlan], rehearsal: Rehearsal) -> Schedule:
    """Compares ways of planning by the score that their plans really reach.

    A rung goes to the best way that plans to spend no less than the rung below does, so that more budget never buys
    less. Of equal ways the first is taken. A rung at which even that one scores less than a rung below is served by the
    one below, with its budget.

    Args:
        budgets: per question, rising.
        plans: the ways, made for the questions of the rehearsal.
        rehearsal: the questions.
    """
    costs, scores = rehearsal.view.costs, rehearsal.scores
    served: list[float] = []
    choices: list[int] = []
    spends: list[float] = []
    least, most = 0.0, -np.inf
    for budget in budgets.tolist():
        found: list[tuple[float, float, int]] = []
        for number, plan in enumerate(plans):
            chosen = plan(budget * len(costs))
            if chosen is not None:
                spend = float(taken(costs, chosen).sum())
                found.append((float(taken(scores, chosen).sum()), spend, number))
        enough = [entry for entry in found if entry[1] >= least * (1 - 1e-9)]
        if enough:
            score, spend, best = max(enough, key=lambda entry: (entry[0], -entry[2]))
            worse = score < most - _ROUNDING
            served.append(budget)
            choices.append(choices[-1] if worse else best)
            spends.append(spends[-1] if worse else budget)
            least, most = (least, most) if worse else (spend, score)
    return Schedule(budgets=np.array(served), choices=tuple(choices), spends=np.array(spends))
