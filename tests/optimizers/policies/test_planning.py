from __future__ import annotations

import numpy as np

from apportion.optimizers.policies.planning import assigned, cheapest, planning_costs
from apportion.optimizers.tables.table import UNANSWERED


def test_one_question_is_planned_at_its_quantile() -> None:
    costs, high = np.array([[10.0, 20.0]]), np.array([[15.0, 50.0]])
    assert planning_costs(costs, high).tolist() == [[15.0, 50.0]]


def test_many_questions_are_planned_near_their_means() -> None:
    costs, high = np.full((10_000, 1), 10.0), np.full((10_000, 1), 30.0)
    assert planning_costs(costs, high).max() == 10.2


def test_what_is_planned_is_rarely_exceeded() -> None:
    generator = np.random.default_rng(0)
    sigma, questions = 0.6, 200
    mean, high = np.exp(sigma**2 / 2), np.exp(1.645 * sigma)
    planned = planning_costs(np.full((questions, 1), mean), np.full((questions, 1), high)).sum()
    spent = np.exp(sigma * generator.normal(size=(2000, questions))).sum(axis=1)
    assert 0.01 < (spent > planned).mean() < 0.08


def test_no_questions_need_no_margin() -> None:
    assert planning_costs(np.empty((0, 2)), np.empty((0, 2))).shape == (0, 2)


def test_who_abstains_costs_nothing() -> None:
    costs, high = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 1.0], [7.0, 8.0]])
    found = assigned(np.array([1, UNANSWERED]), costs, high)
    assert found.expected.tolist() == [2.0, 0.0]
    assert found.high.tolist() == [2.0, 0.0]
    assert cheapest(costs).tolist() == [0, 0]
