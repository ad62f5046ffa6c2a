"""Routing alone and allocation alone: one choice made for all questions, the other for each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, Literal

import numpy as np

from ..arrays import Ints
from ..tables.table import Arm
from .learned import SHARES, Learned
from .schedule import MakePlan
from .view import View

__all__ = ["AllocateOnly", "Grouped", "RouteOnly", "groups_of"]


def groups_of(keys: Sequence[Hashable]) -> list[Ints]:
    """The positions of equal keys, in the order in which the keys first occur."""
    return [np.flatnonzero([key == other for other in keys]) for key in dict.fromkeys(keys)]


class Grouped(Learned):
    """The knapsack over the arms of one group; which group, rehearsal decides for every budget.

    A subclass says what arms of a group have in common.
    """

    @staticmethod
    def key(arm: Arm) -> Hashable:
        """What is decided for all questions at once."""
        raise NotImplementedError

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every group and share."""
        groups = groups_of([self.key(arm) for arm in self.arms])
        # A group of one leaves nothing to choose, so that all shares are alike.
        return [view.spending(share, g) for g in groups for share in (SHARES if len(g) > 1 else SHARES[:1])]


class RouteOnly(Grouped):
    """Decides per question which models answer; samples, thinking and all else are one setting for all questions.

    The setting and the shrinkage are those that did best in rehearsal at the budget; the models of each question then
    come from the knapsack over the arms with that setting.
    """

    name: ClassVar[str] = "route_only"
    policy: Literal["route_only"] = "route_only"

    @staticmethod
    def key(arm: Arm) -> str:
        """The setting."""
        return arm.setting


class AllocateOnly(Grouped):
    """Decides per question how much is spent on it, and on what; the models are the same for all questions.

    The models and the shrinkage are those that did best in rehearsal at the budget; the setting of each question then
    comes from the knapsack over the arms with those models.
    """

    name: ClassVar[str] = "allocate_only"
    policy: Literal["allocate_only"] = "allocate_only"

    @staticmethod
    def key(arm: Arm) -> Hashable:
        """The models of all nodes."""
        return arm.models
