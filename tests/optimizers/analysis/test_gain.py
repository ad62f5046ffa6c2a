from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from apportion.optimizers.analysis.gain import Price, price
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch, Question, Table

ARMS = tuple(Arm(name) for name in ("cheap", "middling", "dear"))


@dataclass(frozen=True)
class ByName:
    """Reads the arm off the question's name; what is over after each question's share goes to nobody."""

    arms: tuple[Arm, ...] = ARMS
    probe: str | None = None
    name: str = "by name"

    def assign(self, batch: Batch, budget: float) -> Assignment:
        chosen = np.array([int(question.name[0]) - 1 for question in batch.questions], np.intp)
        costs = np.where(chosen == UNANSWERED, 0.0, np.array([1.0, 4.0, 10.0])[chosen])
        if costs.sum() > budget:
            chosen, costs = np.full(len(chosen), UNANSWERED, np.intp), np.zeros(len(chosen))
        return Assignment(chosen, costs, costs)

    def to_json(self) -> Mapping[str, Any]:
        return {}


def table(names: list[str]) -> Table:
    """The cheap arm answers every other question, the dear one the rest, and the middling one three in four."""
    count = len(names)
    scores = np.zeros((count, 3))
    scores[1::2, 0], scores[0::2, 2], scores[:, 1] = 1, 1, 0.75
    costs = np.tile([1.0, 4.0, 10.0], (count, 1))
    return Table(tuple(Question(name, "") for name in names), ARMS, scores[:, :, None], costs[:, :, None])


def test_beside_the_policy_stands_the_best_mixture_at_its_cost() -> None:
    names = [f"{3 if i % 2 == 0 else 1}-{i}" for i in range(100)]
    found = price(ByName(), table(names), 8.0)
    assert (found.score.mean, found.cost, found.predicted, found.unanswered) == (1, 5.5, 5.5, 0)
    assert [(use.arm, use.questions, use.score, use.cost) for use in found.arms] == [
        ("cheap", 50, 1.0, 1.0),
        ("dear", 50, 1.0, 10.0),
    ]
    assert (found.best_arm, found.best_arm_score, found.best_arm_cost) == ("middling", 0.75, 4.0)
    # At 5.5 nothing is better than the middling arm, which scores more than the dear one.
    assert found.mixture_score == pytest.approx(0.75)
    assert found.gain.mean == pytest.approx(0.25)
    assert found.gain.low <= 0.25 <= found.gain.high
    assert (found.capped_score, found.capped_cost) == (1, 5.5)
    assert Price.model_validate_json(found.model_dump_json()) == found
    assert found.gain.mean == pytest.approx(0.25)


def test_below_the_cheapest_arm_the_mixture_abstains() -> None:
    names = [f"{1 if i % 2 else 0}-{i}" for i in range(100)]
    found = price(ByName(), table(names), 8.0)
    assert (found.unanswered, found.cost) == (0.5, 0.5)
    # Half of the questions are answered; abstention and the cheap arm, which answers half, at 0.5 each.
    assert found.score.mean == 0.5
    assert found.mixture_score == pytest.approx(0.25)


def test_a_policy_that_costs_more_than_all_is_held_to_the_best_arm() -> None:
    found = price(ByName(), table([f"3-{i}" for i in range(40)]), 12.0)
    assert (found.cost, found.score.mean, found.mixture_score) == (10, 0.5, 0.75)
