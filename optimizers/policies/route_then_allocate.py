"""The natural stack: a router decides the models of each question, then an allocator its setting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from ..arrays import Floats, Ints
from ..tables.table import UNANSWERED
from .grouped import groups_of
from .learned import SHARES, Learned
from .schedule import MakePlan
from .view import View

__all__ = ["RouteThenAllocate"]


class RouteThenAllocate(Learned):
    """First the models of every question, from what they would score in a default setting; then its setting.

    The router knows the budget: it is a knapsack over the models in their default setting, so it sends no question
    where there is nothing left to pay with. The allocator is a knapsack over the settings of the models that the
    router chose. The default is one setting for all models, or for each models' arm the best that is affordable on
    average; which, and the shrinkage of both steps, rehearsal decides for every budget.
    """

    name: ClassVar[str] = "route_then_allocate"
    policy: Literal["route_then_allocate"] = "route_then_allocate"

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every default and share."""
        by_models = groups_of([arm.models for arm in self.arms])
        settings = list(dict.fromkeys(arm.setting for arm in self.arms))
        # A setting that only one choice of models has cannot compare models.
        common = [s for s in settings if sum(arm.setting == s for arm in self.arms) > 1]
        owner = np.empty(len(self.arms), np.intp)
        for number, group in enumerate(by_models):
            owner[group] = number

        def plan(default: str | None, share: float, budget: float) -> Ints | None:
            values = view.scores(share)
            shown = _shown(values, view.planning, budget, by_models)
            for number, group in enumerate(by_models):
                same = [arm for arm in group if self.arms[arm].setting == default]
                shown[number] = same[0] if same else shown[number]
            routed = view.plan(values, budget, shown)
            if routed is None:
                return None
            of_its_models = owner[None, :] == owner[routed][:, None]
            chosen = view.plan(np.where(of_its_models, values, -np.inf), budget)
            # Whom the router leaves unanswered has no models to choose settings of.
            return None if chosen is None else np.where(routed == UNANSWERED, UNANSWERED, chosen)

        return [partial(plan, default, share) for default in (None, *common) for share in SHARES]


def _shown(values: Floats, costs: Floats, budget: float, groups: Sequence[Ints]) -> Ints:
    """(groups,): of each, the arm that scores best on average among those that all questions could have."""
    scores, totals = values.mean(axis=0), costs.sum(axis=0)
    shown = []
    for group in groups:
        affordable = [arm for arm in group if totals[arm] <= budget]
        shown.append(
            max(affordable, key=lambda arm: (scores[arm], -totals[arm]), default=group[totals[group].argmin()])
        )
    return np.array(shown, np.intp)
