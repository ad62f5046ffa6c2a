from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import apportion
from apportion.errors import UsageError
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.policies.sequential_policy import STOP, Seen, SequentialPolicy, Successor, plurality
from apportion.optimizers.tables.table import Arm, Batch, Question, Stage
from apportion.records.status import Status

QUESTION = Question("q", "?")
ARMS = (Arm("a"), Arm("b"), Arm("c"), Arm("again", stages=(Stage("a"),)))


def seen(
    answer: int, *, arm: int = 0, sure: float | None = None, abstained: bool = False, status: Status = Status.OK
) -> Seen:
    return Seen(arm, answer, sure, abstained, status, 1.0)


class Saying:
    """A sequential policy that says the same whatever it is asked."""

    name = "saying"
    arms = ARMS
    probe = None

    def __init__(self, following: Any = STOP, final: Any = 0) -> None:
        self.following, self.final = following, final

    def assign(self, batch: Batch, budget: float) -> Assignment:
        return Assignment(np.zeros(len(batch), np.intp), np.ones(len(batch)), np.ones(len(batch)))

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> Any:
        return self.following

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> Any:
        return self.final

    def to_json(self) -> Mapping[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("looks", "place"),
    [
        ([seen(0), seen(1), seen(0)], 2),
        ([seen(0), seen(1)], 1),
        ([seen(0, sure=0.9), seen(1, sure=0.4)], 0),
        ([seen(0, sure=0.9), seen(1)], 0),
        ([seen(0, sure=0.2), seen(1, sure=0.9), seen(0, sure=0.3)], 2),
        ([seen(0), seen(-1, abstained=True)], 0),
        ([seen(-1, abstained=True), seen(-1, status=Status.TIMEOUT)], 0),
        ([seen(-1, status=Status.TIMEOUT), seen(-1, abstained=True)], 1),
        ([seen(-1, status=Status.TIMEOUT), seen(-1, status=Status.REFUSED)], 1),
        ([seen(-1, abstained=True, sure=0.9), seen(-1, abstained=True, sure=0.1)], 1),
        ([seen(-1), seen(-1)], 1),
        ([seen(0, sure=0.99, status=Status.PARSE_ERROR), seen(1, sure=0.1)], 1),
    ],
)
def test_the_most_frequent_answer_stands_then_the_most_confident_then_the_last(looks: list[Seen], place: int) -> None:
    assert plurality(looks) == place


def test_what_a_policy_leaves_out_has_defaults() -> None:
    class Short(SequentialPolicy):
        name = "short"
        arms = ARMS
        probe = None

        def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
            return STOP

    class Bare(Saying):
        answer = None  # type: ignore[assignment]

    looks = (seen(0), seen(1, arm=1), seen(0, arm=2))
    for policy in (Short(), Bare()):  # type: ignore[abstract]
        successor = Successor(policy)
        assert successor.sequential
        assert successor.answer(QUESTION, looks) == 2
        assert successor.follows(1) == (0, 2, 3)


def test_a_policy_that_decides_once_stops_after_its_arm(planted: Any) -> None:
    successor = Successor(planted(ARMS, {}, {}))
    assert not successor.sequential
    assert successor.next(QUESTION, (seen(0),), 1e9) == STOP
    assert successor.answer(QUESTION, (seen(0),)) == 0
    assert successor.follows(0) == ()


@pytest.mark.parametrize("wrong", [4, -1, -3, "b", "no such arm", None, 1.0, True, np.nan, (1,)])
def test_what_is_no_arm_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"policy 'saying': next.. returned .* for question 'q'; .*0 to 3, or STOP"):
        Successor(Saying(wrong)).next(QUESTION, (seen(0),), 1.0)


@pytest.mark.parametrize("again", [0, 3])
def test_an_arm_is_not_asked_twice_under_any_name(again: int) -> None:
    with pytest.raises(UsageError, match="was asked already"):
        Successor(Saying(again)).next(QUESTION, (seen(0),), 1.0)
    assert Successor(Saying(np.int64(2))).next(QUESTION, (seen(0),), -1.0) == 2


@pytest.mark.parametrize("wrong", [2, -1, "first", None])
def test_a_final_answer_that_was_not_seen_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"answer.. returned .*0 to 1"):
        Successor(Saying(final=wrong)).answer(QUESTION, (seen(0), seen(1, arm=1)))


def test_arms_that_do_not_exist_cannot_follow() -> None:
    class Far(Saying):
        def follows(self, arm: int) -> tuple[int, ...]:
            return (9,)

    with pytest.raises(UsageError, match=r"follows\(0\)"):
        Successor(Far()).follows(0)


def test_a_policy_that_never_stops_ends_with_its_arms() -> None:
    looks = tuple(seen(0, arm=arm) for arm in range(len(ARMS)))
    assert Successor(Saying(1)).next(QUESTION, looks, 1.0) == STOP


def test_the_package_offers_the_words() -> None:
    assert (apportion.STOP, apportion.UNANSWERED) == (STOP, -1)
    assert apportion.SequentialPolicy is SequentialPolicy
    assert apportion.Seen is Seen
