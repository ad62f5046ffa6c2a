from __future__ import annotations

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.policies.arm_means import ArmMeans
from apportion.optimizers.tables.table import Arm
from apportion.testing.planted import plant


def means(scores: list[float], costs: list[float]) -> ArmMeans:
    arms = tuple(Arm(str(number)) for number in range(len(scores)))
    return ArmMeans(arms=arms, scores=np.array(scores), costs=np.array(costs), high=np.array(costs))


def test_every_question_of_every_table_counts_once() -> None:
    whole = plant("crossing", 60, replicates=3).table
    parts = ArmMeans.of(whole.take(np.arange(10)), whole.take(np.arange(10, 60)))
    assert parts.scores == pytest.approx(whole.mean_scores.mean(axis=0))
    assert parts.costs == pytest.approx(whole.mean_costs.mean(axis=0))
    assert parts.high[3] == pytest.approx(np.quantile(whole.costs[:, 3].ravel(), 0.95))


def test_the_frontier_has_no_arm_that_another_beats() -> None:
    assert means([0.5, 0.4, 0.7, 0.7, 0.9], [1.0, 2.0, 3.0, 4.0, 2.5]).frontier(9).tolist() == [0, 4]
    assert means([0.5, 0.5], [1.0, 1.0]).frontier(9).tolist() == [0]


def test_a_thinned_frontier_keeps_its_ends() -> None:
    found = means([0.1 * n for n in range(9)], [float(n) for n in range(9)]).frontier(4).tolist()
    assert (found[0], found[-1], len(found)) == (0, 8, 4)


def test_lists_of_different_lengths_are_refused() -> None:
    content = means([0.5], [1.0]).to_json() | {"costs": [1.0, 2.0]}
    with pytest.raises(UsageError, match="one length"):
        ArmMeans.from_json(content)
