from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UnknownName, UsageError
from apportion.nodes import Solver
from apportion.nodes.stopping import enough, majority_probability, settled


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
    assert majority_probability(*counts) == pytest.approx(beta_tail(*counts), abs=1e-6)


def test_the_order_of_counts_and_further_answers_do_not_matter() -> None:
    assert enough("ahead_by_3", [1, 5, 2]) is enough("ahead_by_3", [5, 2]) is True
    assert majority_probability(0, 0) == 0.5
    assert not enough("beta", [])


def test_ahead_by_k() -> None:
    assert enough("ahead_by_2", [3, 1])
    assert not enough("ahead_by_2", [3, 2])
    assert not enough("ahead_by_1", [])


def test_agree_k() -> None:
    assert not enough("agree_3", [2, 2, 2])
    assert enough("agree_3", [1, 3, 3])
    assert not enough("agree_1", [])


@given(st.lists(st.integers(0, 12), max_size=5), st.integers(1, 15))
def test_what_is_ahead_by_k_agrees_k_times_and_larger_numbers_stop_no_sooner(counts: list[int], k: int) -> None:
    assert enough(f"agree_{k}", counts) or not enough(f"ahead_by_{k}", counts)
    for rule in ("agree", "ahead_by"):
        assert enough(f"{rule}_{k}", counts) or not enough(f"{rule}_{k + 1}", counts)


@pytest.mark.parametrize("rule", ["ahead_by_0", "ahead_by_-1", "ahead_by_02", "agree_0", f"agree_{10**30}", "ahead_by"])
def test_a_number_that_is_none_is_told_how_it_is_written(rule: str) -> None:
    with pytest.raises(UsageError, match=r"_K, with K a whole number from 1 on"):
        Solver(stop=rule)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ("ahead_by_two", "did you mean 'ahead_by_K'"),
        ("betta", "did you mean 'beta'"),
        ("agrees_3", "did you mean 'agree_K'"),
        ("", "known: agree_K, ahead_by_K, beta"),
    ],
)
def test_an_unknown_rule_is_told_the_nearest_or_all(rule: str, hint: str) -> None:
    with pytest.raises(UnknownName, match=hint):
        Solver(stop=rule)


def test_a_rule_without_a_number_takes_none() -> None:
    with pytest.raises(UsageError, match="'beta' takes no number"):
        Solver(stop="beta_2")


def test_settled_only_when_a_tie_is_out_of_reach() -> None:
    assert settled(3, 1, 1)
    assert not settled(3, 1, 2)
    assert not settled(0, 0, 0)


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
