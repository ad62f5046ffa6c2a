"""Choosing models and settings together comes near the best that is possible, where that is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.optimizers.policies.grouped import AllocateOnly, RouteOnly
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learn = Callable[[Kind], tuple[Lesson, Predictor, Rehearsal]]


@pytest.mark.parametrize("kind", ["crossing", "specialists"])
def test_within_one_point_of_the_known_best(learn: Learn, kind: Kind) -> None:
    joint = Joint.from_predictor(*learn(kind))
    test = plant(kind, 1500, seed=9, hidden=0.0)
    for budget in (150.0, 300.0, 550.0):
        chosen = joint.assign(test.table.batch(), budget * 1500).arms
        assert test.spend(chosen) <= budget * 1.01
        assert test.value(chosen) >= test.best(budget) - 0.01, f"at {budget}"


def test_better_than_half_of_the_choice_where_curves_cross(learn: Learn) -> None:
    joint, routed, allocated = (make.from_predictor(*learn("crossing")) for make in (Joint, RouteOnly, AllocateOnly))
    test = plant("crossing", 1500, seed=9, hidden=0.0)
    for budget in (300.0, 550.0):
        reached = [test.value(p.assign(test.table.batch(), budget * 1500).arms) for p in (joint, routed, allocated)]
        assert reached[0] > max(reached[1:]) + 0.03, f"at {budget}: {reached}"


def test_spend_grows_with_the_budget(learn: Learn) -> None:
    joint = Joint.from_predictor(*learn("crossing"))
    batch = plant("crossing", 300, seed=9).table.batch()
    spends = [joint.assign(batch, budget * 300).expected.sum() for budget in np.geomspace(90, 2000, 40)]
    assert (np.diff(spends) >= -1e-6 * spends[-1]).all()


def test_nothing_is_bought_that_gains_nothing(learn: Learn) -> None:
    """More budget than can be used is left over."""
    joint = Joint.from_predictor(*learn("specialists"))
    batch = plant("specialists", 300, seed=9).table.batch()
    enough, plenty = (joint.assign(batch, budget * 300) for budget in (1e5, 1e6))
    assert (enough.arms == plenty.arms).all()
