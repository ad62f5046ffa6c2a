from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.optimizers.policies.bisection import turned
from apportion.optimizers.policies.clusters import Clusters, Partition
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learned = tuple[Lesson, Predictor, Rehearsal]


def test_the_dial_goes_as_far_as_the_budget() -> None:
    costs = np.tile([1.0, 2.0, 4.0], (10, 1))

    def at(dial: float) -> np.ndarray:
        return np.where(dial >= np.linspace(0.05, 0.95, 10), 2, 0)

    spent = {
        b: costs[np.arange(10), found].sum()
        for b in (10, 17, 25, 40)
        if (found := turned(at, costs, b, 1.0)) is not None
    }
    assert spent == {10: 10, 17: 16, 25: 25, 40: 40}
    assert turned(at, costs, 9.9, 1.0) is None
    half = turned(at, costs, 40.0, 0.5)
    assert half is not None
    assert np.array_equal(half, at(0.5))


def test_near_clusters_count_more() -> None:
    centers = np.array([[1.0, 0.0], [0.0, 1.0]])
    partition = Partition(centers=centers, scores=np.array([[1.0, 0.0], [0.0, 1.0]]), costs=np.zeros((2, 2)))
    scores, _ = partition.worth(np.array([[5.0, 0.0], [1.0, 1.0], [0.1, 0.3]]))
    assert scores[0, 0] > 0.99
    assert scores[1].tolist() == pytest.approx([0.5, 0.5])
    assert scores[2, 1] > 0.9


def test_specialists_are_found(learn: Callable[[Kind], Learned]) -> None:
    """Better than the best single arm by what was planted: each topic has its own best model."""
    policy = Clusters.from_predictor(*learn("specialists"))
    test = plant("specialists", 600, seed=9, hidden=0.0)
    for budget in (300.0, 550.0):
        chosen = policy.assign(test.table.batch(), budget * 600).arms
        affordable = test.costs.mean(axis=0) <= budget
        assert test.value(chosen) > test.chances.mean(axis=0)[affordable].max() + 0.1
