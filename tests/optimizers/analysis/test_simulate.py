from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.errors import UsageError
from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.tables.cascades import cascade_arm, outcomes_of
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch, Probe, Question, Stage, Table

SMALL, LARGE = Arm("small"), Arm("large")
ASK_TWICE = (Stage("small", 0.6), Stage("large", 0.0))


@dataclass(frozen=True)
class Fixed:
    """Gives the questions the arms that it was told to, whatever the budget."""

    arms: tuple[Arm, ...]
    chosen: tuple[int, ...]
    probe: str | None = None
    name: str = "fixed"

    def assign(self, batch: Batch, budget: float) -> Assignment:
        return Assignment(np.array(self.chosen, np.intp), np.full(len(batch), 2.0), np.full(len(batch), 3.0))

    def to_json(self) -> Mapping[str, Any]:
        return {}


def table(confidences: NDArray[np.float64] | None = None) -> Table:
    scores = np.array([[[1, 0], [1, 1]], [[0, 0], [1, 0]], [[1, 1], [0, 0.5]]], float)
    costs = np.array([[[1, 2], [10, 20]], [[1, 1], [10, 10]], [[2, 2], [30, 10]]], float)
    look = Probe("look", np.zeros(3), np.array([0.5, 0.25, 0.25]))
    return Table(tuple(Question(n, n) for n in "abc"), (SMALL, LARGE), scores, costs, "usd", confidences, (look,))


def test_outcomes_are_looked_up_by_the_names_of_arms() -> None:
    found = simulate(Fixed((LARGE, SMALL), (0, 1, UNANSWERED)), table(), 9.0)
    assert found.scores.tolist() == [1, 0, 0]
    assert found.costs.tolist() == [15, 1, 0]
    assert (found.cost, found.predicted, found.budget) == (16, 6, 9)
    assert found.unanswered == pytest.approx(1 / 3)
    assert found.score.mean == pytest.approx(1 / 3)
    assert (found.score.low, found.score.high) == (0, 1)
    assert [found.available[arm].name for arm in found.arms if arm != UNANSWERED] == ["large", "small"]


def test_a_probe_is_paid_for_every_question() -> None:
    found = simulate(Fixed((SMALL, LARGE), (0, 0, UNANSWERED), probe="look"), table(), 9.0)
    assert found.costs.tolist() == [2, 1.25, 0.25]


def test_a_cascade_stops_where_it_is_sure_and_pays_for_all_that_it_asked() -> None:
    sure = np.array([[[0.6, 0.5], [0.1, 0.2]], [[0.9, np.nan], [0.3, 0.4]], [[0.0, 1.0], [0.5, 0.6]]])
    scores, costs = outcomes_of((LARGE, cascade_arm(ASK_TWICE)), table(sure))
    assert scores[:, 0].tolist() == [[1, 1], [1, 0], [0, 0.5]]
    assert scores[:, 1].tolist() == [[1, 1], [0, 0], [0, 1]]
    assert costs[:, 1].tolist() == [[1, 22], [1, 11], [32, 2]]
    simulated = simulate(Fixed((LARGE, cascade_arm(ASK_TWICE)), (1, 1, 0)), table(sure), 9.0)
    assert simulated.scores.tolist() == [1, 0, 0.25]
    assert simulated.costs.tolist() == [11.5, 6, 20]


def test_what_a_table_lacks_is_named() -> None:
    with pytest.raises(UsageError, match="no arm 'huge'"):
        simulate(Fixed((Arm("huge"),), (0, 0, 0)), table(), 1)
    with pytest.raises(UsageError, match="the table has none"):
        simulate(Fixed((cascade_arm(ASK_TWICE),), (0, 0, 0)), table(), 1)
    with pytest.raises(UsageError, match="no arm 'huge'"):
        simulate(Fixed((cascade_arm((Stage("huge", 0),)),), (0, 0, 0)), table(np.zeros((3, 2, 2))), 1)
