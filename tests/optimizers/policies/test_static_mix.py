from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.optimizers.policies.arm_means import ArmMeans
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.policies.static import StaticMix
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch, Question
from apportion.testing.planted import planted_lesson

BATCH = Batch(tuple(Question(str(number), "?") for number in range(1000)))
COSTS = np.array([10.0, 30.0, 20.0, 110.0])
MEANS = ArmMeans(arms=tuple(map(Arm, "abcd")), scores=np.array([0.3, 0.4, 0.5, 0.95]), costs=COSTS, high=COSTS)
"""The hull is abstention, a, c, d: b lies below it."""


def shares(policy: StaticMix, per_question: float, batch: Batch = BATCH) -> dict[int, float]:
    numbers, counts = np.unique(policy.assign(batch, per_question * len(batch)).arms, return_counts=True)
    return dict(zip(numbers.tolist(), (counts / len(batch)).tolist(), strict=True))


def test_every_point_of_the_hull_is_reached() -> None:
    policy = StaticMix(means=MEANS, seed=1)
    assert shares(policy, 0.0) == {UNANSWERED: 1.0}
    assert shares(policy, 4.0) == pytest.approx({UNANSWERED: 0.6, 0: 0.4})
    assert shares(policy, 10.0) == {0: 1.0}
    assert shares(policy, 15.0) == pytest.approx({0: 0.5, 2: 0.5})
    assert shares(policy, 38.0) == pytest.approx({2: 0.8, 3: 0.2})
    assert shares(policy, 1e6) == {3: 1.0}


def test_who_gets_the_dearer_arm_is_drawn_by_seed_and_name() -> None:
    first, second = (StaticMix(means=MEANS, seed=seed).assign(BATCH, 15_000.0).arms for seed in (1, 2))
    assert 0.3 < (first == second).mean() < 0.7
    order = np.random.default_rng(0).permutation(1000)
    shuffled = StaticMix(means=MEANS, seed=1).assign(BATCH.take(order), 15_000.0).arms
    assert (shuffled == first[order]).all()


def test_names_that_look_alike_are_not_drawn_alike() -> None:
    arms = StaticMix(means=MEANS, seed=1).assign(BATCH, 15_000.0).arms
    halves = [(arms[part] == 2).mean() for part in (slice(0, 500), slice(500, 1000), slice(0, 1000, 2))]
    assert all(0.4 < half < 0.6 for half in halves)


def test_one_question_gets_the_best_that_it_can_pay_for() -> None:
    assert shares(StaticMix(means=MEANS, seed=1), 15.0, BATCH.take(np.array([7]))) == {0: 1.0}


@pytest.mark.parametrize("name", ["static", "static_mix", "cascade", "joint", "joint_safe"])
def test_who_judges_is_not_learned_from(name: str) -> None:
    """What is planned for any budget is the same whatever the arms score on the questions that judge."""
    lesson = replace(planted_lesson("crossing", 300.0, fit=60, validation=30), judged=True)
    turned = replace(lesson, validation=replace(lesson.validation, scores=1 - lesson.validation.scores))
    one, two = (fit_all([name], each)[name].to_json() for each in (lesson, turned))
    learned = ("means", "mix", "cascade", "by_family")
    assert {field: one.get(field) for field in learned} == {field: two.get(field) for field in learned}
    if name == "joint":
        assert one["predictor"]["arm_scores"] == two["predictor"]["arm_scores"]
