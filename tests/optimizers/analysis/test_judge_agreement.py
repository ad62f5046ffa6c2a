from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from apportion.optimizers.analysis.judge_agreement import agreement, gold_agreement, rank_correlation, shift_of

NOISE = np.random.default_rng(3)
TRUE = NOISE.uniform(0, 1, 200)


def noisy(sd: float) -> np.ndarray:
    return np.asarray(TRUE + NOISE.normal(0, sd, len(TRUE)))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=8, max_size=40))
def test_the_rank_correlation_is_spearmans_ties_included(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, np.float64).T
    found = rank_correlation(first, second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert found is None
        return
    assert found is not None
    assert found.mean == pytest.approx(spearmanr(first, second).statistic)
    assert -1 - 1e-9 <= found.low <= found.high <= 1 + 1e-9


def test_the_interval_narrows_with_the_answers_and_holds_the_estimate() -> None:
    second = noisy(0.3)
    few, many = rank_correlation(TRUE[:20], second[:20]), rank_correlation(TRUE, second)
    assert few is not None
    assert many is not None
    assert many.low < many.mean < many.high
    assert many.high - many.low < few.high - few.low


def test_too_few_pairs_say_nothing() -> None:
    assert rank_correlation(TRUE[:7], TRUE[:7]) is None
    assert agreement(TRUE[:0], TRUE[:0]) is None
    assert gold_agreement("exact", TRUE[:0], TRUE[:0]) is None


def test_two_equal_series_agree_and_a_noisy_one_agrees_less() -> None:
    same, other = agreement(TRUE, TRUE), agreement(TRUE, noisy(0.2))
    assert same is not None
    assert same.correlation is not None
    assert same.correlation.mean == pytest.approx(1)
    assert same.difference.mean == 0
    assert other is not None
    assert other.correlation is not None
    assert other.correlation.mean < 0.95
    # The mean absolute value of a normal variable is its deviation times the root of two over pi.
    assert other.difference.mean == pytest.approx(0.2 * np.sqrt(2 / np.pi), rel=0.15)


def test_gold_divides_answers_into_right_and_wrong() -> None:
    graded = (TRUE > 0.5).astype(np.float64)
    found = gold_agreement("exact", TRUE, graded)
    assert found is not None
    assert (found.answers, found.right) == (200, int(graded.sum()))
    assert found.score_right is not None
    assert found.score_wrong is not None
    assert found.score_right > 0.5 > found.score_wrong
    assert found.correlation is not None
    assert found.correlation.low > 0.7
    none = gold_agreement("exact", TRUE, np.zeros(200))
    assert none is not None
    assert (none.right, none.score_right, none.correlation) == (0, None, None)
    assert gold_agreement("exact", TRUE, np.ones(200)).score_wrong is None  # type: ignore[union-attr]


def test_a_planted_shift_is_found_and_none_is_not() -> None:
    long = shift_of("length", TRUE, TRUE + 0.1 + NOISE.normal(0, 0.05, 200), unread=3)
    assert long.shift is not None
    assert long.shift.low < 0.1 < long.shift.high
    assert (long.answers, long.unread) == (200, 3)
    still = shift_of("position", TRUE, noisy(0.05), unread=0)
    assert still.shift is not None
    assert still.shift.low < 0 < still.shift.high
    assert shift_of("position", TRUE[:0], TRUE[:0], unread=2).shift is None
