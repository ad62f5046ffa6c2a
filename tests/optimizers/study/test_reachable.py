from __future__ import annotations

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import UsageError
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.study.reachable import check_reachable
from apportion.records.status import Status
from apportion.testing.optimizer import planted_space


def measured(*statuses: Status) -> list[Measurement]:
    outcomes = tuple(Outcome(f"t{n}", status, 0.0, 0.0, 0.0) for n, status in enumerate(statuses))
    return [Measurement(planted_space().default(), outcomes)]


def test_one_answer_or_a_failure_of_a_plan_is_enough() -> None:
    check_reachable(measured(Status.PROVIDER_ERROR, Status.OK), MemoryStore())
    check_reachable(measured(Status.TIMEOUT, Status.PARSE_ERROR), MemoryStore())


@pytest.mark.parametrize(
    ("status", "said"), [(Status.PROVIDER_ERROR, "no model answered"), (Status.TOOL_ERROR, "mend the function")]
)
def test_nothing_but_failures_of_a_place_ends_a_study(status: Status, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_reachable(measured(status, Status.TIMEOUT), MemoryStore())


def test_answers_without_a_single_verdict_end_a_study() -> None:
    for unscored, scored in ((7, 0), (20, 1)):
        check_reachable(judged(unscored, scored), MemoryStore())
    check_reachable([*judged(20, 0), *judged(0, 1)], MemoryStore())
    with pytest.raises(UsageError, match="the judge gave no verdict on any of 8 answers"):
        check_reachable(judged(8, 0), MemoryStore())


def judged(unscored: int, scored: int) -> list[Measurement]:
    verdicts = [True] * unscored + [False] * scored
    outcomes = (Outcome(f"t{n}", Status.OK, 0.0, 0.0, 0.0, unscored=lacks) for n, lacks in enumerate(verdicts))
    return [Measurement(planted_space().default(), tuple(outcomes))]
