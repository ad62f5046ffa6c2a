from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.optimizers.policies.bisection import turned

COSTS = np.column_stack([np.full(10, 1.0), np.full(10, 3.0)])
NEED = np.linspace(0.05, 0.95, 10)


def at(place: float) -> NDArray[np.intp]:
    """The dear arm for those whose need is below the dial."""
    return np.asarray(place > NEED, np.intp)


@pytest.mark.parametrize(("budget", "dear"), [(10.0, 0), (11.9, 0), (12.0, 1), (19.0, 4), (29.9, 9), (30.0, 10)])
def test_the_dial_goes_as_far_up_as_the_budget_allows(budget: float, dear: int) -> None:
    chosen = turned(at, COSTS, budget, 1.0)
    assert chosen is not None
    assert chosen.tolist() == [1] * dear + [0] * (10 - dear)


def test_there_is_nothing_where_not_even_the_lowest_fits() -> None:
    assert turned(at, COSTS, 9.9, 1.0) is None


def test_the_top_is_taken_as_it_is() -> None:
    tried: list[float] = []

    def watched(place: float) -> NDArray[np.intp]:
        tried.append(place)
        return at(place)

    chosen = turned(watched, COSTS, 1e9, 1.0)
    assert chosen is not None
    assert chosen.all()
    assert set(tried) == {0.0, 1.0}
