from __future__ import annotations

import numpy as np

from apportion.models.pocket.sampling import choose, log_probabilities, uniform_draws


def test_draws_depend_on_everything_that_was_asked() -> None:
    base = uniform_draws("m", (1, 2), 0, 0, 4).tolist()

    assert base == uniform_draws("m", (1, 2), 0, 0, 4).tolist()
    others = [
        uniform_draws("n", (1, 2), 0, 0, 4),
        uniform_draws("m", (1, 3), 0, 0, 4),
        uniform_draws("m", (1, 2), 1, 0, 4),
        uniform_draws("m", (1, 2), 0, 1, 4),
    ]
    assert all(base != other.tolist() for other in others)


def test_a_longer_cap_continues_the_same_stream() -> None:
    assert uniform_draws("m", (1,), 0, 0, 9)[:4].tolist() == uniform_draws("m", (1,), 0, 0, 4).tolist()


def test_draws_are_spread_over_the_unit_interval() -> None:
    draws = uniform_draws("m", (1,), 0, 0, 20_000)

    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.histogram(draws, 10, (0, 1))[0].min() > 1800


def test_frequencies_follow_the_tempered_distribution() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    draws = uniform_draws("m", (1,), 0, 0, 20_000)
    rows = np.tile(logits, (len(draws), 1))

    for temperature in (1.0, 0.5):
        chosen = choose(rows, np.full(len(draws), temperature), draws)
        expected = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
        assert np.abs(np.bincount(chosen, minlength=3) / len(draws) - expected / expected.sum()).max() < 0.015


def test_temperature_zero_takes_the_likeliest_and_rows_do_not_mix() -> None:
    logits = np.array([[0.0, 2.0, 1.0], [0.0, 2.0, 1.0]], np.float32)

    assert choose(logits, np.array([0.0, 50.0]), np.array([0.999, 0.999])).tolist() == [1, 2]
    assert choose(logits, np.array([0.0, 0.0]), np.array([0.999, 0.0])).tolist() == [1, 1]


def test_a_row_is_chosen_alike_in_any_batch() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(37, 103)).astype(np.float32) * 4
    temperatures, draws = rng.uniform(0, 2, 37), rng.random(37)
    together = choose(logits, temperatures, draws)
    logprobs = log_probabilities(logits)

    for row in range(37):
        one = slice(row, row + 1)
        assert choose(logits[one], temperatures[one], draws[one])[0] == together[row]
        assert log_probabilities(logits[one])[0].tobytes() == logprobs[row].tobytes()


def test_log_probabilities_sum_to_one() -> None:
    logits = np.random.default_rng(1).normal(size=(5, 103)).astype(np.float32)

    assert np.allclose(np.exp(log_probabilities(logits)).sum(axis=1), 1, atol=1e-9)
