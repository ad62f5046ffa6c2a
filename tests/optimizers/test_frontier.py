from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.frontier import hull, thinned, undominated

_POINTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12)


@given(_POINTS)
def test_the_frontier_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    costs, scores = np.array(points, float).T
    found = undominated(costs, scores).tolist()

    def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one != other and one[0] <= other[0] and one[1] >= other[1]

    best = {points[i] for i in range(len(points)) if not any(beats(other, points[i]) for other in points)}
    assert [points[i] for i in found] == sorted(best)
    assert found == [points.index(points[i]) for i in found]


def test_there_may_be_no_point_to_choose_from() -> None:
    assert undominated(np.empty(0), np.empty(0)).tolist() == []


def test_thinning_keeps_both_ends() -> None:
    assert thinned(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert thinned(np.arange(3), 8).tolist() == [0, 1, 2]


@given(_POINTS)
def test_nothing_lies_above_a_hull_and_it_is_concave(points: list[tuple[int, int]]) -> None:
    costs, scores = np.array(points, float).T
    corners = hull(costs, scores)
    heights = np.interp(costs, costs[corners], scores[corners])
    assert (scores[costs >= costs[corners[0]]] <= heights[costs >= costs[corners[0]]] + 1e-9).all()
    assert costs[corners[0]] == costs.min()
    assert scores[corners[-1]] == scores.max()
    slopes = np.diff(scores[corners]) / np.diff(costs[corners])
    assert (slopes > 0).all()
    assert (np.diff(slopes) < 0).all()


def test_a_hull_leaves_out_what_lies_below_it() -> None:
    assert hull(np.array([1.0, 3.0, 2.0, 2.0]), np.array([0.2, 0.8, 0.6, 0.1])).tolist() == [0, 2, 1]
    assert hull(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.9])).tolist() == [0, 2]


@pytest.mark.parametrize(("costs", "scores"), [(0, 0), (2, 1)])
def test_every_point_has_a_cost_and_a_score(costs: int, scores: int) -> None:
    with pytest.raises(UsageError, match="a cost and a score"):
        hull(np.zeros(costs), np.zeros(scores))
