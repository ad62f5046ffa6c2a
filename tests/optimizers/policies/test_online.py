from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.online import Online
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learn = Callable[[Kind], tuple[Lesson, Predictor, Rehearsal]]


def test_it_spends_what_it_may_and_comes_near_the_plan_of_the_whole(learn: Learn) -> None:
    online, joint = Online.from_predictor(*learn("crossing")), Joint.from_predictor(*learn("crossing"))
    test = plant("crossing", 1500, seed=9, hidden=0.0)
    for budget in (150.0, 300.0, 550.0):
        paced, planned = (policy.assign(test.table.batch(), budget * 1500) for policy in (online, joint))
        assert 0.97 <= paced.expected.sum() / (budget * 1500) <= 1.0
        assert test.value(paced.arms) >= test.value(planned.arms) - 0.01


def test_what_comes_later_does_not_change_what_was_decided(learn: Learn) -> None:
    online = Online.from_predictor(*learn("crossing"))
    batch = plant("crossing", 600, seed=9, hidden=0.0).table.batch()
    order = np.concatenate([np.arange(300), 300 + np.random.default_rng(0).permutation(300)])
    first, second = online.assign(batch, 300.0 * 600).arms, online.assign(batch.take(order), 300.0 * 600).arms
    assert (first[:300] == second[:300]).all()


@pytest.mark.parametrize("times", [0.0, 0.2, 5.0])
def test_a_wrong_price_to_begin_with_is_mended(learn: Learn, times: float) -> None:
    """Too low a price must not use up the budget before the end, nor too high a price leave it over."""
    fitted = Online.from_predictor(*learn("crossing"))
    online = fitted.model_copy(update={"prices": times * fitted.prices})
    batch = plant("crossing", 1500, seed=9, hidden=0.0).table.batch()
    spent = online.assign(batch, 300.0 * 1500).expected
    assert 0.93 <= spent.sum() / (300.0 * 1500) <= 1.0
    assert spent[-300:].mean() >= 0.75 * spent[:-300].mean()
