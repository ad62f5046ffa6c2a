from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.tables.knapsack import allocate, price_for, upper_bound
from apportion.optimizers.tables.table import UNANSWERED

# Whole numbers over 64 add and subtract without rounding, so that equality can be asked for.
_NUMBERS = st.integers(0, 64).map(lambda number: number / 64)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Floats, Floats, float]:
    questions, arms = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    values = draw(st.lists(_NUMBERS, min_size=questions * arms, max_size=questions * arms))
    costs = draw(st.lists(_NUMBERS, min_size=questions * arms, max_size=questions * arms))
    shape = (questions, arms)
    return np.reshape(values, shape), np.reshape(costs, shape), draw(st.integers(0, 400)) / 64


def at(matrix: Floats, chosen: Ints) -> Floats:
    return np.where(chosen == UNANSWERED, 0.0, matrix[np.arange(len(matrix)), chosen])


def by_force(values: Floats, costs: Floats, budget: float) -> float:
    sums = [
        at(values, np.array(arms)).sum()
        for arms in itertools.product(range(values.shape[1]), repeat=len(values))
        if at(costs, np.array(arms)).sum() <= budget
    ]
    return float(max(sums))


def by_highs(values: Floats, costs: Floats, budget: float) -> float:
    questions, arms = values.shape
    one_each = np.kron(np.eye(questions), np.ones(arms))
    found = milp(
        -values.ravel(),
        integrality=np.ones(values.size),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(costs.reshape(1, -1), -np.inf, budget)],
        options={"mip_rel_gap": 0},
    )
    return float(-found.fun)


def random_problem(seed: int, questions: int, arms: int) -> tuple[Floats, Floats]:
    draws = np.random.default_rng(seed)
    costs = np.exp(draws.normal(0, 1, (1, arms))) * np.exp(draws.normal(0, 0.3, (questions, arms)))
    difficulty = draws.normal(0, 1, (questions, 1))
    return 1 / (1 + np.exp(difficulty - np.log(costs) + draws.normal(0, 1, costs.shape))), costs


@given(problems())
def test_the_budget_is_never_passed_but_by_the_cheapest_arms(problem: tuple[Floats, Floats, float]) -> None:
    values, costs, budget = problem
    chosen = allocate(values, costs, budget)
    spent, least = at(costs, chosen).sum(), costs.min(axis=1).sum()
    assert spent <= max(budget, least)
    assert at(values, chosen).sum() <= upper_bound(values, costs, budget) + 1e-9
    if least > budget:
        assert spent == least


@given(problems())
def test_abstaining_keeps_to_every_budget_and_never_costs_value(
    problem: tuple[Floats, Floats, float],
) -> None:
    values, costs, budget = problem
    values = values - 0.25
    chosen = allocate(values, costs, budget, unanswered=True)
    assert at(costs, chosen).sum() <= budget
    assert (at(values, chosen) >= 0).all()
    assert at(values, chosen).sum() <= upper_bound(values, costs, budget, unanswered=True) + 1e-9


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_loss_against_all_assignments_is_less_than_one_question(problem: tuple[Floats, Floats, float]) -> None:
    values, costs, budget = problem
    if costs.min(axis=1).sum() > budget or values.shape[1] ** len(values) > 4000:
        return
    best, found = by_force(values, costs, budget), at(values, allocate(values, costs, budget)).sum()
    assert found <= best <= upper_bound(values, costs, budget) + 1e-9
    assert best - found <= (values.max(axis=1) - values.min(axis=1)).max() + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_equals_brute_force_where_returns_diminish(seed: int) -> None:
    draws = np.random.default_rng(seed)
    questions, arms = int(draws.integers(2, 6)), int(draws.integers(2, 5))
    gains = -np.sort(-draws.uniform(0, 1, (questions, arms - 1)), axis=1)
    values = np.cumsum(np.column_stack([draws.uniform(0, 1, questions), gains]), axis=1)
    costs = np.tile(np.arange(1.0, arms + 1), (questions, 1))
    for budget in range(questions, questions * arms + 2):
        found = at(values, allocate(values, costs, budget)).sum()
        assert found == pytest.approx(by_force(values, costs, budget), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_equals_highs_within_the_integrality_gap(seed: int) -> None:
    values, costs = random_problem(seed, 40, 8)
    for share in (0.2, 0.5, 0.8):
        budget = float(costs.min(axis=1).sum() * (1 - share) + costs.max(axis=1).sum() * share)
        best, found = by_highs(values, costs, budget), at(values, allocate(values, costs, budget)).sum()
        bound = upper_bound(values, costs, budget)
        assert found <= best + 1e-6
        assert best <= bound + 1e-6
        assert best - found <= bound - found <= 0.01 * bound


def choose_at(values: Floats, costs: Floats, price: float) -> Ints:
    """The arm of every question that is worth most at a price; of equals the cheapest."""
    worth = values - price * costs
    return np.asarray(np.argmin(np.where(worth == worth.max(axis=1, keepdims=True), costs, np.inf), axis=1), np.intp)


@given(problems())
def test_the_price_for_a_budget_is_the_smallest_that_keeps_it(problem: tuple[Floats, Floats, float]) -> None:
    values, costs, budget = problem
    price = price_for(values, costs, budget)
    if price == np.inf:
        assert costs.min(axis=1).sum() > budget
        return
    assert at(costs, choose_at(values, costs, price * (1 + 1e-9))).sum() <= budget
    if price > 0:
        assert at(costs, choose_at(values, costs, price * (1 - 1e-9))).sum() > budget


@given(problems())
def test_prices_agree_with_what_is_allocated(problem: tuple[Floats, Floats, float]) -> None:
    values, costs, budget = problem
    price = price_for(values, costs, budget)
    if price < np.inf:
        at_price, allocated = choose_at(values, costs, price * (1 + 1e-9)), allocate(values, costs, budget)
        assert at(values, allocated).sum() >= at(values, at_price).sum() - 1e-9


def test_arms_that_are_not_admitted_are_not_taken() -> None:
    values = np.array([[-np.inf, 0.2, 0.9], [0.1, 0.5, -np.inf]])
    costs = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    assert allocate(values, costs, 100).tolist() == [2, 1]
    assert allocate(values, costs, 0).tolist() == [1, 0]
    assert price_for(values, costs, 4) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="question 1 admits no arm"):
        allocate(np.array([[0.0], [-np.inf]]), np.ones((2, 1)), 1)
    assert allocate(np.array([[0.5], [-np.inf]]), np.ones((2, 1)), 9, unanswered=True).tolist() == [0, UNANSWERED]


def test_what_is_left_buys_arms_below_the_hull() -> None:
    values, costs = np.array([[0.0, 0.3, 1.0]]), np.array([[0.0, 5.0, 10.0]])
    assert allocate(values, costs, 9).tolist() == [1]
    assert allocate(values, costs, 10).tolist() == [2]


def test_more_questions_than_one_block_are_one_problem() -> None:
    values, costs = random_problem(3, 5000, 6)
    budget = 1.5 * float(costs.min(axis=1).sum())
    chosen = allocate(values, costs, budget)
    assert at(costs, chosen).sum() <= budget
    bound = upper_bound(values, costs, budget)
    assert at(values, chosen).sum() == pytest.approx(bound, rel=1e-4)
    assert (chosen == allocate(values, costs, budget)).all()


def test_numbers_that_are_none_are_refused() -> None:
    ones = np.ones((1, 1))
    with pytest.raises(ValueError, match="one shape"):
        allocate(ones, np.ones((1, 2)), 1)
    with pytest.raises(ValueError, match="finite"):
        allocate(ones * np.nan, ones, 1)
    with pytest.raises(ValueError, match="must be a number"):
        allocate(ones, ones, np.nan)
