from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.bootstrap import mean_interval, resample_weights


def test_the_weights_of_every_draw_sum_to_one() -> None:
    weights = resample_weights(17, 50, seed=3)
    assert weights.shape == (50, 17)
    assert np.allclose(weights.sum(axis=1), 1.0)


def test_the_interval_has_about_the_width_that_theory_gives() -> None:
    values = np.repeat([0.0, 1.0], 200)
    interval = mean_interval(values, draws=4000)
    assert interval.mean == 0.5
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.1)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_interval(np.array([]))


def test_pairing_shows_a_difference_that_separate_intervals_hide() -> None:
    generator = np.random.default_rng(0)
    base = generator.random(40)
    ours = base + 0.01 * generator.random(40)
    weights = resample_weights(40, 500, seed=0)
    assert np.all(weights @ ours > weights @ base)
    assert mean_interval(ours).low < mean_interval(base).high


def test_a_difference_that_is_always_the_same_is_sure() -> None:
    found = mean_interval(np.full(30, 0.25))
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    coins = np.asarray(np.arange(60) % 2, np.float64) - 0.5
    assert mean_interval(coins).low < 0 < mean_interval(coins).high
