from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.tables.portfolio import choose_portfolio, portfolio_prices
from apportion.optimizers.tables.table import Arm, Question, Table

TWO_NODES = (("a", "m"), ("b", "m"))


def table(scores: np.ndarray, costs: np.ndarray, arms: list[Arm] | None = None, families: int = 1) -> Table:
    """Scores and costs of shape (questions, arms) as a table with questions of equal length."""
    questions = tuple(Question(f"q{number}", "same", f"family {number % families}") for number in range(len(scores)))
    named = arms or [Arm(f"arm {number}", models=TWO_NODES) for number in range(scores.shape[1])]
    return Table(questions, tuple(named), scores[:, :, None].astype(float), costs[:, :, None].astype(float))


def worth(chosen: tuple[int, ...], scores: np.ndarray, costs: np.ndarray, prices: list[float]) -> float:
    picked = list(chosen)
    return sum(float((scores[:, picked] - price * costs[:, picked]).max(axis=1).sum()) for price in prices)


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_as_good_as_plain_greedy_and_near_the_best_set(seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    scores, costs = generator.random((12, 8)), generator.random((12, 8))
    made, prices = table(scores, costs), [0.0, 0.3, 1.0]
    chosen = choose_portfolio(made, size=size, prices=prices, scores=scores, costs=costs)
    fixed = choose_portfolio(made, size=2, prices=prices, scores=scores, costs=costs).tolist()[:size]
    greedy = list(fixed)
    while len(greedy) < len(chosen):
        others = [arm for arm in range(8) if arm not in greedy]
        greedy.append(max(others, key=lambda arm: worth((*greedy, arm), scores, costs, prices)))
    base, found = (worth(tuple(picked), scores, costs, prices) for picked in (fixed, chosen.tolist()))
    assert found == pytest.approx(worth(tuple(greedy), scores, costs, prices))
    others = [arm for arm in range(8) if arm not in fixed]
    sets = combinations(others, len(chosen) - len(fixed))
    best = max(worth((*fixed, *rest), scores, costs, prices) for rest in sets)
    assert found - base >= (1 - 1 / np.e) * (best - base) - 1e-9


def test_specialists_far_from_the_global_frontier_are_chosen() -> None:
    families, questions = 4, 200
    scores, costs = np.full((questions, 6), 0.5), np.tile([10.0, 11.0, 30.0, 30.0, 30.0, 30.0], (questions, 1))
    scores[:, 1] = 0.52
    for family in range(families):
        scores[:, 2 + family] = 0.1
        scores[family::families, 2 + family] = 1.0
    chosen = choose_portfolio(table(scores, costs, families=families), prices=[0.001])
    assert set(chosen.tolist()) == set(range(6))


def test_the_luck_of_single_questions_adds_no_arm() -> None:
    generator = np.random.default_rng(1)
    scores = generator.random((400, 60))
    costs = np.full((400, 60), 20.0)
    costs[:, 0] = 10.0
    noisy = choose_portfolio(table(scores, costs), prices=[0.001], scores=scores, costs=costs)
    assert len(noisy) == 16
    # Each of the five folds may have a favourite of its own.
    assert len(choose_portfolio(table(scores, costs), prices=[0.001])) <= 6


def test_the_arms_that_are_always_there() -> None:
    generator = np.random.default_rng(2)
    scores = np.tile([0.1, 0.9, 0.6, 0.5, 0.3, 0.45, 0.2], (60, 1)) + 0.01 * generator.random((60, 7))
    costs = np.tile([5.0, 50.0, 20.0, 25.0, 30.0, 40.0, 60.0], (60, 1))
    arms = [
        Arm("cheapest", models=TWO_NODES),
        Arm("best", models=TWO_NODES),
        Arm("single", models=(("a", "m"),)),
        Arm("worse single", models=(("a", "n"),)),
        Arm("verified alone", models=(("b", "m"),), verified=True),
        Arm("verified and more", models=TWO_NODES, verified=True),
        Arm("wanted", models=TWO_NODES),
    ]
    chosen = choose_portfolio(table(scores, costs, arms), size=5, prices=[0.001], always=[6])
    assert [arms[arm].name for arm in chosen] == ["wanted", "cheapest", "best", "single", "verified alone"]
    assert choose_portfolio(table(scores, costs, arms), size=2, prices=[0.001], always=[6]).tolist() == [6, 0]


def test_the_order_of_questions_makes_no_difference() -> None:
    generator = np.random.default_rng(3)
    made = table(generator.random((50, 10)), generator.random((50, 10)), families=3)
    order = list(range(50))
    random.Random(0).shuffle(order)
    # Sums of floats in another order differ in the last digits, which decide nothing here.
    assert (
        choose_portfolio(made, prices=[0.1, 1.0]).tolist()
        == choose_portfolio(made.take(np.array(order)), prices=[0.1, 1.0]).tolist()
    )


def test_equal_arms_are_not_chosen_twice() -> None:
    made = table(np.full((30, 20), 0.5), np.full((30, 20), 3.0))
    assert choose_portfolio(made, prices=[0.01]).tolist() == [0]


def test_prices_span_the_frontier() -> None:
    made = table(np.tile([0.1, 0.5, 0.6, 0.3], (9, 1)), np.tile([10.0, 20.0, 40.0, 30.0], (9, 1)))
    prices = portfolio_prices(made, 4)
    assert len(prices) == 4
    assert prices[0] == pytest.approx(0.005 / 2)
    assert prices[-1] == pytest.approx(0.04 * 2)
    best = [int(np.argmax(made.mean_scores[0] - price * made.mean_costs[0])) for price in prices]
    assert best[0] == 2
    assert best[-1] == 0
    assert portfolio_prices(made.with_arms([0])) == (0.0,)


def test_bad_arguments_are_named() -> None:
    made = table(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(UsageError, match="at least one price"):
        choose_portfolio(made, prices=[])
    with pytest.raises(UsageError, match="cannot hold the 2"):
        choose_portfolio(made, size=1, prices=[0.1], always=[0, 1])
    with pytest.raises(UsageError, match="no arm 7"):
        choose_portfolio(made, prices=[0.1], always=[7])
    assert choose_portfolio(replace(made, questions=made.questions[:1], scores=made.scores[:1], costs=made.costs[:1]),
                            prices=[0.1]).tolist() == [0]  # fmt: skip
