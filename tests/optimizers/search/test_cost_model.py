from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.search.cost_model import learn_prices

# Two nodes with two models each: items 1 and 2, and 3 and 4; item 0 is none.
TRAITS = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]], np.float64)


def test_sums_are_split_into_what_each_call_costs() -> None:
    items = np.array([[1, 0], [2, 0], [1, 3], [2, 3], [1, 4]])
    draws = np.array([[1, 0], [1, 0], [3, 1], [1, 1], [1, 2]])
    costs = np.array([10.0, 40.0, 35.0, 45.0, 50.0])
    prices = learn_prices(items, draws, costs, TRAITS)
    assert prices[0] == 0
    assert (prices[items] * draws).sum(axis=1) == pytest.approx(costs, rel=0.15)
    assert prices[2] > 3 * prices[1]


def test_what_was_never_seen_is_like_what_it_has_in_common_with_others() -> None:
    items = np.array([[1, 0], [2, 0], [3, 0]])
    prices = learn_prices(items, np.array([[1, 0]] * 3), np.array([10.0, 80.0, 20.0]), TRAITS)
    assert prices[4] > prices[3] > prices[1]
    assert prices[4] > 40


def test_plans_that_make_no_calls_teach_no_prices() -> None:
    none = np.zeros((1, 1), np.int64)
    assert learn_prices(none, none, np.zeros(1), TRAITS).tolist() == [0.0] * 5
