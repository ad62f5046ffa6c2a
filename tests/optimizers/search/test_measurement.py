from __future__ import annotations

from apportion.graphs.plan import Plan
from apportion.optimizers.search.measurement import Measurement, Outcome, frontier
from apportion.records import Status


def measured(name: str, *results: tuple[float, float]) -> Measurement:
    outcomes = tuple(Outcome(f"t{i}", Status.OK, score, cost, 0.0) for i, (score, cost) in enumerate(results))
    return Measurement(Plan("graph", {"knob": name}, ()), outcomes)


def test_means_are_over_the_tasks() -> None:
    m = measured("a", (1.0, 10.0), (0.0, 30.0))
    assert (m.score, m.cost, m.coverage) == (0.5, 20.0, 1.0)


def test_a_failure_lowers_coverage() -> None:
    failed = Outcome("t", Status.TIMEOUT, 0.0, 5.0, 12.0)
    m = Measurement(measured("a").plan, (*measured("a", (1.0, 10.0)).outcomes, failed))
    assert (m.coverage, m.lost) == (0.5, 6.0)
    assert list(m.burdens) == [10.0, 17.0]


def test_a_series_can_be_continued_and_cut() -> None:
    whole = measured("a", (1.0, 1.0)).then(measured("a", (0.0, 3.0)))
    assert whole.score == 0.5
    assert whole.first(1).score == 1.0


def test_the_frontier_leaves_out_what_is_beaten() -> None:
    cheap, dear, beaten, tied = (
        measured("cheap", (0.3, 1)),
        measured("dear", (0.9, 9)),
        measured("beaten", (0.2, 5)),
        measured("tied", (0.3, 2)),
    )
    assert frontier([dear, beaten, cheap, tied]) == [cheap, dear]


def test_of_two_at_one_price_the_better_stays() -> None:
    worse, better = measured("worse", (0.3, 1)), measured("better", (0.4, 1))
    assert frontier([worse, better]) == [better]


def test_nothing_measured_has_an_empty_frontier() -> None:
    assert frontier([]) == []
