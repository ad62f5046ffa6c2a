from __future__ import annotations

from collections.abc import Callable

import numpy as np

from apportion.optimizers.policies.grouped import AllocateOnly, RouteOnly, groups_of
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learned = tuple[Lesson, Predictor, Rehearsal]
BATCH = plant("crossing", 80, seed=3).table.batch()


def test_groups_keep_the_order_of_their_keys() -> None:
    assert [group.tolist() for group in groups_of(["b", "a", "b", "c"])] == [[0, 2], [1], [3]]


def test_route_only_has_one_setting_for_all(learn: Callable[[Kind], Learned]) -> None:
    policy = RouteOnly.from_predictor(*learn("specialists"))
    mixed = False
    for budget in np.geomspace(130, 2000, 12):
        arms = [policy.arms[number] for number in policy.assign(BATCH, budget * 80).arms]
        assert len({arm.setting for arm in arms}) == 1
        mixed |= len({arm.models for arm in arms}) > 1
    assert mixed


def test_allocate_only_has_one_choice_of_models_for_all(small: Learned) -> None:
    policy = AllocateOnly.from_predictor(*small)
    seen = set()
    for budget in np.geomspace(130, 2000, 12):
        arms = [policy.arms[number] for number in policy.assign(BATCH, budget * 80).arms]
        assert len({arm.models for arm in arms}) == 1
        seen |= {arm.setting for arm in arms}
    assert len(seen) > 1
