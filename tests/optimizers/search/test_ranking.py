from __future__ import annotations

from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.ranking import Ranking
from apportion.records.status import Status
from apportion.testing.optimizer import planted_space

PLANS = list(planted_space())


def measurement(place: int, score: float, costs: list[float], lost: float = 0.0) -> Measurement:
    outcomes = tuple(Outcome(f"t{i}", Status.OK, score, cost, lost) for i, cost in enumerate(costs))
    return Measurement(PLANS[place], outcomes)


def test_within_the_cap_for_sure_then_perhaps_then_the_cheapest() -> None:
    standing = Ranking(10.0)
    sure, better = measurement(0, 0.4, [5.0] * 20), measurement(1, 0.5, [9.0] * 20)
    perhaps = measurement(2, 0.9, [0.0, 20.0] * 10)
    dear, dearer = measurement(3, 0.9, [30.0] * 20), measurement(4, 1.0, [40.0] * 20)
    assert standing.order([dearer, dear, perhaps, sure, better]) == [better, sure, perhaps, dear, dearer]
    assert [standing.fits(m) for m in (sure, perhaps, dear)] == [True, False, False]
    assert [standing.too_dear(m) for m in (sure, perhaps, dear)] == [False, False, True]


def test_what_was_lost_counts_against_the_cap() -> None:
    assert Ranking(10.0).too_dear(measurement(0, 1.0, [9.0] * 20, lost=2.0))


def test_finalists_are_the_best_the_frontier_and_the_others_once_each() -> None:
    standing = Ranking(10.0)
    best, cheap = measurement(0, 0.9, [9.0] * 8), measurement(1, 0.2, [1.0] * 8)
    beaten, dear = measurement(2, 0.1, [5.0] * 8), measurement(3, 1.0, [30.0] * 8)
    assert standing.finalists([dear, beaten, cheap, best]) == [best, cheap, dear, beaten]
    assert standing.finalists([]) == []
