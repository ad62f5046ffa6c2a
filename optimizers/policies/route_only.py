"""Routing alone: models for each question, one setting for all."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..table import Arm
from .grouped import Grouped

__all__ = ["RouteOnly"]


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
