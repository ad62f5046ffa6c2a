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


def test_a_nucleus_has_the_likeliest_tokens_that_reach_its_share() -> None:
    logits = np.log(np.array([0.2, 0.5, 0.3], np.float32))
    draws = uniform_draws("m", (1,), 0, 0, 6_000)
    rows, warm = np.tile(logits, (len(draws), 1)), np.ones(len(draws))

    for share, expected in ((0.0, [0, 1, 0]), (0.4, [0, 1, 0]), (0.79, [0, 0.625, 0.375]), (0.81, [0.2, 0.5, 0.3])):
        chosen = choose(rows, warm, draws, np.full(len(draws), share))
        assert np.abs(np.bincount(chosen, minlength=3) / len(draws) - np.array(expected)).max() < 0.02


def test_of_equals_the_first_stays_in_the_nucleus() -> None:
    assert choose(np.zeros((1, 5), np.float32), np.ones(1), np.array([0.99]), np.array([0.4])).tolist() == [1]


def test_a_nucleus_of_everything_changes_nothing_and_rows_do_not_mix() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(50, 103)).astype(np.float32) * 4
    temperatures, draws, shares = rng.uniform(0, 2, 50), rng.random(50), rng.uniform(0, 1, 50)
    plain = choose(logits, temperatures, draws)

    assert choose(logits, temperatures, draws, np.ones(50)).tolist() == plain.tolist()
    assert choose(logits, temperatures, draws, np.where(shares > 0.5, 1, shares))[shares > 0.5].tolist() == (
        plain[shares > 0.5].tolist()
    )
    together = choose(logits, temperatures, draws, shares).tolist()
    assert together != plain.tolist()
    for row in range(50):
        one = slice(row, row + 1)
        assert choose(logits[one], temperatures[one], draws[one], shares[one]).tolist() == together[one]


def test_a_temperature_of_almost_zero_is_zero() -> None:
    logits = np.array([[0.0, 2.0, -1e4]], np.float32)

    assert choose(logits, np.array([1e-308]), np.array([0.999])).tolist() == [1]


def test_log_probabilities_sum_to_one() -> None:
    logits = np.random.default_rng(1).normal(size=(5, 103)).astype(np.float32)

    assert np.allclose(np.exp(log_probabilities(logits)).sum(axis=1), 1, atol=1e-9)
