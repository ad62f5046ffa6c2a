"""Allocation alone: a setting for each question, one choice of models for all."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Literal

from ..table import Arm
from .grouped import Grouped

__all__ = ["AllocateOnly"]


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
