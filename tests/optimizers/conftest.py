"""A policy whose forecasts are planted, for tests of what happens around policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from apportion.optimizers.arrays import Floats
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.tables.knapsack import allocate
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch


class Planted:
    """Knows what every arm is worth and may cost, for each question by its name; what it knows may be wrong."""

    name = "planted"

    def __init__(
        self,
        arms: tuple[Arm, ...],
        values: Mapping[str, Floats],
        costs: Mapping[str, Floats],
        *,
        spread: float = 1.5,
        probe: str | None = None,
        unanswered: bool = False,
    ) -> None:
        self._arms, self._values, self._costs = arms, values, costs
        self._spread, self._probe, self._unanswered = spread, probe, unanswered
        self.budgets: list[tuple[int, float]] = []
        """Of every assignment: how many questions, and what for all of them."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        return self._arms

    @property
    def probe(self) -> str | None:
        return self._probe

    def assign(self, batch: Batch, budget: float) -> Assignment:
        self.budgets.append((len(batch), budget))
        values = np.stack([self._values[question.name] for question in batch.questions])
        costs = np.stack([self._costs[question.name] for question in batch.questions])
        arms = allocate(values, costs, budget, unanswered=self._unanswered)
        expected = np.where(arms == UNANSWERED, 0.0, costs[np.arange(len(arms)), arms])
        return Assignment(arms, expected, self._spread * expected)

    def to_json(self) -> Mapping[str, Any]:
        return {"policy": self.name}


@pytest.fixture(scope="session")
def planted() -> type[Planted]:
    return Planted
