"""Which of several policies serves at which budget: the simplest that cannot be told from the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from ..arrays import Floats
from ..bootstrap import within_one_error
from ..prediction.fitted import Array, Fitted

__all__ = ["Ladder", "Reached", "simplest"]

_REACH = 1.0
"""How far budgets count as near, in natural logarithms: one standard deviation."""
_ROUNDING = 1e-9

Reached = Callable[[float], tuple[Floats, float]]
"""From a budget for all questions to the score of each, in rehearsal, and what is meant to be spent."""


class Ladder(Fitted):
    """Which member serves at which budget."""

    budgets: Array
    """(rungs,), rising: per question."""
    members: tuple[str, ...]
    """For every rung, the name of the member that serves there."""
    spends: Array
    """(rungs,): the budget that it is given: the rung's own, or that of a rung below which scored more."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shape = (len(self.members),)
        if not self.members or self.budgets.shape != shape or self.spends.shape != shape:
            raise ValueError("budgets, members and spends must be lists of one length, and not empty")
        if (np.diff(self.budgets) <= 0).any() or (self.spends > self.budgets).any() or (np.diff(self.spends) < 0).any():
            raise ValueError("budgets must rise, and spends must not fall or be above them")
        return self

    def at(self, budget: float, members: Sequence[str]) -> str:
        """The member that serves at a budget per question; between two rungs, the more complex of their choices.

        Args:
            budget: per question.
            members: all, from simple to complex.
        """
        budgets = self.budgets
        above = int(np.searchsorted(budgets, budget))
        near = self.members[above : above + 1]
        if not (above < len(budgets) and (above == 0 or budgets[above] == budget)):
            near = self.members[max(above - 1, 0) : above + 1]
        return max(near, key=members.index)

    def spent(self, budget: float, count: int) -> float:
        """What of a budget for so many questions is to be spent."""
        above = min(int(np.searchsorted(self.budgets, budget / count)), len(self.budgets) - 1)
        if self.spends[above] < self.budgets[above]:
            return min(budget, float(self.spends[above]) * count)
        return budget


def simplest(budgets: Floats, ways: Mapping[str, Reached], count: int) -> Ladder:
    """For every budget, the first member within one standard error of the best; no budget that scores less is spent.

    Scores are compared with those at budgets nearby: at one budget alone, a few hundred questions say little of
    members that differ by a point or two, while what is good there is good a little above and below.
    """
    tried = {name: [reached(budget * count) for budget in budgets.tolist()] for name, reached in ways.items()}
    apart = np.log(budgets)[:, None] - np.log(budgets)
    near = np.exp(-0.5 * np.square(apart / _REACH))
    near /= near.sum(axis=1, keepdims=True)
    scores = {name: near @ np.stack([found for found, _ in each]) for name, each in tried.items()}
    members: list[str] = []
    spends: list[float] = []
    least, best_score = 0.0, -np.inf
    for rung, budget in enumerate(budgets.tolist()):
        spent = {name: each[rung][1] for name, each in tried.items()}
        # As in every schedule, more budget must not buy less.
        enough = [name for name in spent if spent[name] >= least * (1 - 1e-9)] or [max(spent, key=spent.__getitem__)]
        best = max(enough, key=lambda name: float(scores[name][rung].mean()))
        choice = next(name for name in enough if within_one_error(scores[best][rung] - scores[name][rung]))
        score = float(scores[choice][rung].mean())
        if members and score < best_score - _ROUNDING:
            members.append(members[-1])
            spends.append(spends[-1])
            continue
        members.append(choice)
        spends.append(budget)
        least, best_score = spent[choice], max(score, best_score)
    return Ladder(budgets=budgets, members=tuple(members), spends=np.array(spends))
