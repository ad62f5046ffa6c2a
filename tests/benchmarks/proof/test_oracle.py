from __future__ import annotations

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.knapsack import allocate
from apportion.testing.planted import plant
from benchmarks.proof.oracle import oracle


def test_the_oracle_comes_near_what_is_possible_and_not_above_it() -> None:
    planted = plant("crossing", 1500, replicates=8, seed=3)
    budget = 250.0
    scores, costs = oracle(planted.table, budget)
    best = planted.best(budget)
    assert best - 0.04 < scores.mean() < best + 0.01
    assert costs.mean() <= 1.02 * budget
    everyone = np.arange(1500)
    lucky = allocate(planted.table.mean_scores, planted.table.mean_costs, budget * 1500)
    assert planted.table.mean_scores[everyone, lucky].mean() > best + 0.02, "in hindsight luck looks like skill"


def test_more_replicates_come_nearer() -> None:
    planted = plant("crossing", 1500, replicates=8, seed=4)
    many, few = (oracle(planted.table.replicates(range(count)), 250.0)[0].mean() for count in (8, 3))
    assert many > few


def test_two_replicates_are_not_enough() -> None:
    with pytest.raises(UsageError, match="three replicates"):
        oracle(plant("crossing", 20, replicates=2).table, 250.0)
