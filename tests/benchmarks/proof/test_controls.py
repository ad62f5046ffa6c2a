from __future__ import annotations

import numpy as np

from apportion.testing.planted import plant
from benchmarks.proof.controls import clones, dominated


def test_twins_do_equally_well_and_cost_the_same() -> None:
    table = clones(plant("crossing", 1000, replicates=2, seed=5).table.with_arms(range(4)))
    scores, costs = table.mean_scores.mean(axis=0), table.mean_costs.mean(axis=0)
    assert np.abs(scores[:4] - scores[4:]).max() < 0.06
    assert np.abs(costs[:4] / costs[4:] - 1).max() < 0.02
    assert not table.shows_answers, "a second draw is worth something to who sees both answers"


def test_the_dominated_copy_is_wrong_three_times_in_ten_more() -> None:
    pair = plant("crossing", 1000, replicates=2, seed=5).table.with_arms(range(4))
    scores = dominated(pair).mean_scores
    assert (scores[:, 4:] <= pair.scores[:, :, 1]).all()
    kept = scores[:, 4:].sum() / pair.scores[:, :, 1].sum()
    assert 0.65 < kept < 0.75
    assert np.array_equal(dominated(pair).scores, dominated(pair).scores)
