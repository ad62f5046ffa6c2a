from __future__ import annotations

import numpy as np

from apportion.optimizers.policies.arm_means import ArmMeans
from apportion.optimizers.policies.static import Static
from apportion.optimizers.tables.table import Arm, Batch, Question

BATCH = Batch(tuple(Question(str(number), "?") for number in range(100)))
MEANS = ArmMeans(
    arms=tuple(map(Arm, "abcd")),
    scores=np.array([0.3, 0.6, 0.6, 0.9]),
    costs=np.array([10.0, 30.0, 20.0, 100.0]),
    high=np.array([10.0, 30.0, 40.0, 100.0]),
)


def test_the_best_arm_that_all_can_have() -> None:
    policy = Static(means=MEANS)
    chosen = {budget: set(policy.assign(BATCH, budget * 100).arms.tolist()) for budget in (1, 10, 21, 25, 99, 100)}
    assert chosen == {1: {0}, 10: {0}, 21: {0}, 25: {2}, 99: {2}, 100: {3}}


def test_of_equally_good_arms_the_cheaper() -> None:
    assert set(Static(means=MEANS).assign(BATCH, 9000).arms.tolist()) == {2}


def test_one_question_must_bear_the_quantile() -> None:
    alone = BATCH.take(np.array([0]))
    assert Static(means=MEANS).assign(alone, 35.0).arms.tolist() == [1]
