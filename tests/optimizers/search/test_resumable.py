from __future__ import annotations

from collections.abc import Iterator

from apportion.optimizers.search.base import Proposal
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.resumable import Resumable, Rounds
from apportion.records.status import Status
from apportion.testing.optimizer import planted_space

PLANS = list(planted_space())[:3]


def measurement(place: int, tasks: int, score: float = 1.0) -> Measurement:
    return Measurement(PLANS[place], tuple(Outcome(f"t{i}", Status.OK, score, 1.0, 0.0) for i in range(tasks)))


class Diary:
    """Generators that write down what they were told."""

    def __init__(self) -> None:
        self.begun: list[list[list[int]]] = []

    def begin(self) -> Rounds:
        pages: list[list[int]] = []
        self.begun.append(pages)
        return self._rounds(pages)

    def _rounds(self, pages: list[list[int]]) -> Rounds:
        for tasks in (2, 4):
            answers = yield [Proposal(plan, tasks) for plan in PLANS[:2]]
            pages.append([len(answer.outcomes) for answer in answers])


def names(*measurements: Measurement) -> dict[str, Measurement]:
    return {m.plan.hash: m for m in measurements}


def test_each_round_is_told_what_it_asked_for_and_no_more() -> None:
    diary = Diary()
    walk = Resumable(diary.begin)
    assert [p.tasks for p in walk.go_on({})] == [2, 2]
    assert [p.plan for p in walk.go_on(names(measurement(0, 2)))] == [PLANS[1]]
    assert [p.tasks for p in walk.go_on(names(measurement(0, 3), measurement(1, 2)))] == [4, 4]
    assert diary.begun == [[[2, 2]]]
    assert walk.go_on(names(measurement(0, 4), measurement(1, 4), measurement(2, 9))) == []
    assert diary.begun == [[[2, 2], [4, 4]]]
    assert walk.go_on(names(measurement(0, 4), measurement(1, 4))) == []


def test_a_later_walk_goes_through_what_is_on_record() -> None:
    walk = Resumable(Diary().begin)
    assert [p.tasks for p in walk.go_on(names(measurement(0, 4), measurement(1, 3)))] == [4]


def test_it_begins_anew_where_what_was_measured_disagrees() -> None:
    diary = Diary()
    walk = Resumable(diary.begin)
    walk.go_on(names(measurement(0, 2), measurement(1, 2)))
    walk.go_on(names(measurement(0, 2), measurement(1, 2, score=0.0)))
    assert diary.begun == [[[2, 2]], [[2, 2]]]


def test_a_search_that_asks_for_nothing_is_over() -> None:
    def nothing() -> Iterator[list[Proposal]]:
        yield from ()

    walk = Resumable(lambda: (answers for answers in nothing()))  # type: ignore[arg-type,return-value]
    assert list(walk.go_on({})) == []
