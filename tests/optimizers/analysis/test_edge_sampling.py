from __future__ import annotations

import numpy as np

from apportion.optimizers.analysis.edge_sampling import EdgeSampler


def test_begins_at_even_chances_and_draws_by_its_seed() -> None:
    sampler = EdgeSampler(4, seed=1)
    assert sampler.probabilities.tolist() == [0.5] * 4
    assert not sampler.settled
    drawn = sampler.draw(2000)
    assert drawn.shape == (2000, 4)
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.05
    assert (EdgeSampler(4, seed=1).draw(2000) == drawn).all()
    assert not (EdgeSampler(4, seed=2).draw(2000) == drawn).all()


def test_learns_which_edges_pay_and_never_rules_one_out() -> None:
    sampler = EdgeSampler(6, seed=0)
    worth = np.array([1.0, 0.5, 0.2, -0.2, -0.5, -1.0])
    steps = 0
    while not sampler.settled and steps < 300:
        drawn = sampler.draw(16)
        # A large constant part would swamp the gradient if it had no baseline.
        sampler.learn(drawn, 1000.0 + drawn @ worth)
        steps += 1
    assert sampler.settled
    assert (sampler.probabilities > 0.5).tolist() == [True, True, True, False, False, False]
    for _ in range(200):
        drawn = sampler.draw(16)
        sampler.learn(drawn, drawn @ worth)
    assert sampler.probabilities.min() >= 0.02 - 1e-9
    assert sampler.probabilities.max() <= 0.98 + 1e-9


def test_what_makes_no_difference_teaches_nothing() -> None:
    sampler = EdgeSampler(3, seed=0)
    for _ in range(20):
        drawn = sampler.draw(8)
        sampler.learn(drawn, np.full(8, 0.7))
    assert np.allclose(sampler.probabilities, 0.5)
