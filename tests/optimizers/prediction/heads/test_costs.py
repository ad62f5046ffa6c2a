from __future__ import annotations

import json

import numpy as np
import pytest

from apportion.optimizers.arrays import Floats
from apportion.optimizers.prediction.features import Features
from apportion.optimizers.prediction.heads.base import Examples
from apportion.optimizers.prediction.heads.costs import CostHead, fit_costs
from apportion.optimizers.tables.table import Arm

ARMS = (Arm("short"), Arm("long"), Arm("free"))


def costs_of(count: int, seed: int, *, told: bool = True) -> tuple[Examples, Floats]:
    draws = np.random.default_rng(seed)
    matrix = draws.normal(size=(count, 3))
    level = np.exp(0.8 * matrix[:, 0]) if told else np.exp(0.8 * draws.normal(size=count))
    samples = np.stack([20 * level, 300 * level**0.5, 0 * level], axis=1)[:, :, None]
    samples = samples * np.exp(draws.normal(0, 0.4, (count, 3, 4)))
    means = samples.mean(axis=2)
    return Examples(Features(matrix, np.full(count, -1)), means, means, ARMS), samples


@pytest.mark.parametrize("told", [True, False])
def test_means_and_quantiles_hold_on_new_questions(told: bool) -> None:
    learned, samples = costs_of(300, 0, told=told)
    unseen, real = costs_of(600, 1, told=told)
    head = fit_costs(learned, samples, 0)
    means = head.predict(unseen.features)
    assert means.sum(axis=0)[:2] == pytest.approx(unseen.costs.sum(axis=0)[:2], rel=0.1)
    high = head.high(means)
    assert (high >= means).all()
    assert (real[:, :2] <= high[:, :2, None]).mean() == pytest.approx(0.95, abs=0.02)
    errors = ((means - unseen.costs)[:, 0] ** 2).mean()
    blind = ((learned.costs.mean(axis=0) - unseen.costs)[:, 0] ** 2).mean()
    assert errors < 0.35 * blind if told else errors < 1.05 * blind


def test_what_is_free_stays_free() -> None:
    learned, samples = costs_of(40, 2)
    head = fit_costs(learned, samples, 0)
    assert (head.predict(learned.features)[:, 2] == 0).all()


def test_nothing_is_foreseen_beyond_what_was_seen() -> None:
    learned, samples = costs_of(100, 3)
    head = fit_costs(learned, samples, 0)
    far = head.predict(Features(np.full((2, 3), 50.0) * [[1.0], [-1.0]], np.array([-1, -1])))
    assert far[:, :2] == pytest.approx(np.stack([learned.costs.max(axis=0), learned.costs.min(axis=0)])[:, :2])


def test_json_gives_the_same_head() -> None:
    learned, samples = costs_of(50, 4)
    head = fit_costs(learned, samples, 0)
    again = CostHead.from_json(json.loads(json.dumps(head.to_json())))
    assert (again.predict(learned.features) == head.predict(learned.features)).all()
    assert (head.fits(3, 3), head.fits(3, 2)) == (True, False)
