"""Models and settings chosen together, for every question: one knapsack over all arms."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..tables.table import Arm
from .grouped import Grouped

__all__ = ["Joint"]


class Joint(Grouped):
    """Buys for every question the model and the setting that are worth most at the price all questions share.

    The multiple-choice knapsack over all arms, on scores drawn towards the arms' means by the share that did best in
    rehearsal. With a share of 0 it is the best mixture of static arms.
    """

    name: ClassVar[str] = "joint"
    policy: Literal["joint"] = "joint"

    @staticmethod
    def key(arm: Arm) -> None:
        """Nothing is decided for all questions at once: all arms are one group."""
