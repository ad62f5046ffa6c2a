"""The one interface of all policies, ours and others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..arrays import Floats, Ints
from ..tables.table import Arm, Batch, Lesson

__all__ = ["ArmPolicy", "Assignment", "MakePolicy"]


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """An arm for every question of a batch."""

    arms: Ints
    """(questions,): numbers of `ArmPolicy.arms`, or `UNANSWERED`."""
    expected: Floats
    """(questions,): the predicted mean cost of each choice, its probe included."""
    high: Floats
    """(questions,): the predicted 95 % quantile of that cost."""


class ArmPolicy(Protocol):
    """Chooses arms for questions under a budget.

    A policy is immutable and depends on its arguments only: the same batch and budget give the same assignment. Where
    it mixes arms at random, it draws from its own seed and the question's name.
    """

    @property
    def name(self) -> str:
        """The name in the registry, for example "joint"."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Everything that it may choose."""

    @property
    def probe(self) -> str | None:
        """The probe that it needs of every question before it chooses; its cost is part of every assignment."""

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """Chooses for all questions of a batch.

        Args:
            batch: the questions.
            budget: for all of them together, in the unit of the tables. The sum of expected costs stays within it,
                unless even the cheapest arm for every question costs more: then that is the assignment. To move
                along cost and quality is to change this number; nothing is fitted anew.
        """

    def to_json(self) -> Mapping[str, Any]:
        """All that `from_json` of the same class needs, as JSON values."""


class MakePolicy(Protocol):
    """A policy's class: fits it, and reads it back."""

    @property
    def name(self) -> str:
        """Of all policies that it makes; the name in the registry."""

    def fit(self, lesson: Lesson) -> ArmPolicy:
        """Learns from a lesson.

        Raises:
            UsageError: the tables lack what the policy needs, such as confidences; the message says what.
        """

    def from_json(self, content: Mapping[str, Any]) -> ArmPolicy:
        """Reads what `to_json` wrote.

        Raises:
            UsageError: it is not that; the message names the field.
        """
