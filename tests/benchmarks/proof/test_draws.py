from __future__ import annotations

import numpy as np
import pytest

from benchmarks.proof.draws import Resample, Statistic


def test_means_are_those_of_the_questions_drawn() -> None:
    resample = Resample(questions=50, draws=300, seed=1)
    rows = np.random.default_rng(0).normal(size=(50, 3))
    drawn = np.concatenate(list(resample.drawn()))
    assert drawn.shape == (300, 50)
    assert np.allclose(resample.means(rows), rows[drawn].mean(axis=1))


def test_draws_depend_on_the_seed_and_on_nothing_else() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 1))
    assert np.array_equal(Resample(20, 10, 1).means(rows), Resample(20, 10, 1).means(rows))
    assert not np.array_equal(Resample(20, 10, 1).means(rows), Resample(20, 10, 2).means(rows))


def test_leaving_one_out() -> None:
    rows = np.array([[1.0], [2.0], [6.0]])
    assert Resample(3, 5, 0).left_out(rows)[:, 0] == pytest.approx([4.0, 3.5, 1.5])


def test_differences_are_paired() -> None:
    resample = Resample(400, 500, 0)
    values = np.random.default_rng(3).normal(size=400)
    first, second = Statistic.means(np.column_stack([values + 0.1, values]), resample)
    gap = first - second
    assert gap.estimate == pytest.approx(0.1)
    assert gap.error == pytest.approx(0.0, abs=1e-12)
    assert first.error > 0.03
    assert (2.0 * first - first - first).draws == pytest.approx(np.zeros(500), abs=1e-12)


def test_the_largest_is_taken_draw_by_draw() -> None:
    first, second = Statistic.means(np.random.default_rng(4).normal(size=(100, 2)), Resample(100, 200, 0))
    most = Statistic.largest([first, second])
    assert (most.draws >= first.draws).all()
    assert (most.draws >= second.draws).all()
    assert most.draws.mean() > max(first.draws.mean(), second.draws.mean())


def test_an_average_over_seeds_spreads_by_questions_and_by_seeds() -> None:
    columns = np.random.default_rng(4).normal(size=(100, 1)) + np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    seeds = Statistic.means(columns, Resample(100, 4000, 0))
    mean = Statistic.average(seeds)
    assert mean.estimate == pytest.approx(columns.mean())
    between = np.std([one.estimate for one in seeds], ddof=1) / np.sqrt(5)
    assert mean.error == pytest.approx(np.hypot(seeds[0].error, between), rel=0.05)
    (alone,) = Statistic.means(columns[:, :1], Resample(100, 4000, 0))
    assert np.array_equal(Statistic.average([alone]).draws, alone.draws)


def test_differences_of_averages_are_paired_over_seeds_too() -> None:
    columns = np.random.default_rng(5).normal(size=(60, 3)) + np.array([0.0, 1.0, 5.0])
    seeds = Statistic.means(columns, Resample(60, 300, 0))
    above = [one.moved(one.estimate + 0.25) for one in seeds]
    gap = Statistic.average(above) - Statistic.average(seeds)
    assert gap.draws == pytest.approx(np.full(300, 0.25))


def test_a_moved_statistic_keeps_its_spread() -> None:
    (statistic,) = Statistic.means(np.random.default_rng(5).normal(size=(80, 1)), Resample(80, 400, 0))
    moved = statistic.moved(statistic.estimate + 1)
    assert moved.interval().low == pytest.approx(statistic.interval().low + 1)
    assert moved.interval().mean == pytest.approx(statistic.estimate + 1)
