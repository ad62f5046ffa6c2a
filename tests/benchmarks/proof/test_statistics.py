from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.arrays import Floats
from apportion.optimizers.bootstrap import resample_weights
from benchmarks.proof.statistics import (
    bca_interval,
    equivalence_p,
    holm,
    minimal_detectable_effect,
    one_sided_p,
)


def resampled(values: Floats, draws: int = 2000, seed: int = 0) -> tuple[Floats, Floats, float]:
    count = len(values)
    jackknife = (values.sum() - values) / (count - 1)
    return resample_weights(count, draws, seed) @ values, jackknife, float(values.mean())


def test_the_interval_agrees_with_scipy_on_skewed_data() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=60)
    ours = bca_interval(*resampled(values, draws=20_000))
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, rng=5).confidence_interval
    percentile = np.quantile(resampled(values, draws=20_000)[0], 0.975)
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)
    assert ours.high > percentile + 0.005


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    found = [bca_interval(*resampled(generator.normal(0.3, 1, 80), draws=400, seed=i)) for i in range(300)]
    assert 0.91 <= np.mean([one.low <= 0.3 <= one.high for one in found]) <= 0.98


def test_a_constant_has_an_interval_of_no_width() -> None:
    interval = bca_interval(*resampled(np.full(20, 0.25)))
    assert (interval.low, interval.high) == pytest.approx((0.25, 0.25))


def test_p_values_are_uniform_under_the_null_hypothesis() -> None:
    generator = np.random.default_rng(2)
    found = [one_sided_p(*resampled(generator.normal(0, 1, 100), draws=400, seed=i)) for i in range(300)]
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.09
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_the_p_value_and_the_interval_say_the_same() -> None:
    generator = np.random.default_rng(4)
    for shift in (0.1, 0.2, 0.3):
        values = generator.exponential(size=100) - 1 + shift
        data = resampled(values, draws=4000)
        low = bca_interval(*data, level=0.9).low
        assert one_sided_p(*data, above=low) == pytest.approx(0.05, abs=0.002)


def test_no_p_value_is_below_what_the_draws_can_show() -> None:
    data = resampled(np.random.default_rng(0).normal(5, 1, 50), draws=99)
    assert one_sided_p(*data) == pytest.approx(0.01)
    assert one_sided_p(*resampled(np.ones(10), draws=99)) == pytest.approx(0.01)
    assert one_sided_p(*resampled(np.zeros(10), draws=99)) == 1.0


def test_a_margin_makes_it_a_test_of_non_inferiority() -> None:
    data = resampled(np.random.default_rng(6).normal(-0.05, 1, 400))
    assert one_sided_p(*data, above=-0.3) < 0.01
    assert one_sided_p(*data, above=0.0) > 0.3


def test_equivalence_needs_both_sides() -> None:
    generator = np.random.default_rng(7)
    near, far = generator.normal(0, 0.1, 400), generator.normal(0.03, 0.1, 400)
    assert equivalence_p(*resampled(near), margin=0.02) < 0.05
    assert equivalence_p(*resampled(far), margin=0.02) > 0.2
    few = generator.normal(0, 0.1, 20)
    assert equivalence_p(*resampled(few), margin=0.02) > 0.1, "few observations are no evidence of equality"
    with pytest.raises(ValueError, match="above 0"):
        equivalence_p(*resampled(near), margin=0.0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.6]) == pytest.approx((1.0, 1.0))
    assert holm([]) == ()


def test_the_minimal_detectable_effect_is_found_with_its_power() -> None:
    effect = minimal_detectable_effect(0.4, 785)
    assert effect == pytest.approx(0.04, rel=0.01), "n = 7.85 variances over the squared effect"
    generator = np.random.default_rng(8)
    means = generator.normal(effect, 0.4 / np.sqrt(785), 4000)
    assert np.mean(np.abs(means) > 1.96 * 0.4 / np.sqrt(785)) == pytest.approx(0.8, abs=0.02)
