from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.study.scores import score_of

ODD = np.asarray(np.arange(60) % 2, np.float64)


def test_a_score_with_its_interval_and_what_it_may_cost() -> None:
    found = score_of(ODD, 10 + 4 * ODD, 2 * ODD, coverage=0.9, seed=1)
    assert (found.tasks, found.score, found.cost, found.lost, found.coverage) == (60, 0.5, 12.0, 1.0, 0.9)
    # A mean of 60 coins is within two standard errors of one half, 0.065 each.
    assert found.low == pytest.approx(0.5 - 2 * 0.065, abs=0.02)
    assert found.high == pytest.approx(0.5 + 2 * 0.065, abs=0.02)
    # Charged and lost: 13 on average, a standard deviation of 3, its upper end at 1.64 standard errors.
    assert found.cost_high == pytest.approx(13 + 1.64 * 3 / np.sqrt(60), abs=0.1)


def test_the_seed_decides_the_interval() -> None:
    again = [score_of(ODD, ODD, ODD, coverage=1.0, seed=seed) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
