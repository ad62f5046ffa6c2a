from __future__ import annotations

import math
import random

import pytest

from apportion.nodes.stopping import enough, leads_by, majority_probability, settled


def beta_tail(first: int, second: int) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1), by Simpson's rule on the density."""
    a, b, steps = first + 1, second + 1, 2000
    constant = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))

    def density(p: float) -> float:
        return constant * p ** (a - 1) * (1 - p) ** (b - 1)

    width = 0.5 / steps
    total = density(0.5) + density(1.0)
    total += sum((4 if i % 2 else 2) * density(0.5 + i * width) for i in range(1, steps))
    return total * width / 3


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (3, 0), (4, 1), (7, 5), (20, 11)])
def test_the_closed_form_is_the_beta_tail(counts: tuple[int, int]) -> None:
    assert majority_probability(counts) == pytest.approx(beta_tail(*counts), abs=1e-6)


def test_the_order_of_counts_and_further_answers_do_not_matter() -> None:
    assert majority_probability([1, 5, 2]) == majority_probability([5, 2])
    assert majority_probability([]) == 0.5


def test_ahead_by_k() -> None:
    assert leads_by([3, 1], 2)
    assert not leads_by([3, 2], 2)
    assert leads_by([2], 2)
    assert not leads_by([], 1)


def test_settled_only_when_a_tie_is_out_of_reach() -> None:
    assert settled([3, 1], 1)
    assert not settled([3, 1], 2)
    assert not settled([], 0)


def test_enough_by_rule() -> None:
    assert not enough("beta", [3])
    assert enough("beta", [4])
    assert enough("ahead_by_2", [2])
    assert not enough("ahead_by_3", [2])
    assert enough("ahead_by_3", [2], 1)


def test_on_clear_votes_it_saves_draws_and_keeps_the_winner() -> None:
    rng = random.Random(7)
    drawn, agreed = 0, 0
    for _ in range(300):
        stream = [0 if rng.random() < 0.75 else rng.randint(1, 3) for _ in range(40)]
        counts = [0] * 4
        for number, answer in enumerate(stream, start=1):
            counts[answer] += 1
            if enough("beta", counts, 40 - number):
                break
        drawn += number
        agreed += counts.index(max(counts)) == 0
    assert drawn <= 300 * 40 * 0.5
    assert agreed >= 290
