"""Models and settings chosen together, for every question: one knapsack over all arms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from ..arrays import Ints
from .learned import SHARES, Learned
from .schedule import MakePlan
from .view import View

__all__ = ["Joint"]


class Joint(Learned):
    """Buys for every question the model and the setting that are worth most at the price all questions share.

    The multiple-choice knapsack over all arms, on scores drawn towards the arms' means by the share that did best in
    rehearsal. With a share of 0 it is the best mixture of static arms.
    """

    name: ClassVar[str] = "joint"
    policy: Literal["joint"] = "joint"

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every share."""

        def plan(share: float, budget: float) -> Ints | None:
            return view.plan(view.scores(share), budget)

        return [partial(plan, share) for share in SHARES]
