from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.policies.sequences import TableReader, followed
from apportion.optimizers.policies.sequential_policy import STOP, Seen, plurality
from apportion.optimizers.tables.cascades import cascade_arm
from apportion.optimizers.tables.confidence import Confidence
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch, Question, Stage, Table
from apportion.records.status import Status

Decide = Callable[[tuple[Seen, ...], float], int]


class Asking:
    """Asks what a function of looks and of what is left says; every question begins with one arm."""

    name = "asking"
    probe = None

    def __init__(self, decide: Decide, arms: tuple[Arm, ...], *, first: int = 0, high: float = 100.0) -> None:
        self.decide, self.arms, self.first, self.high = decide, arms, first, high
        self.calls: list[tuple[str, tuple[Seen, ...], float]] = []
        self.ends: dict[str, tuple[Seen, ...]] = {}
        """What was seen of each question in the end."""

    def assign(self, batch: Batch, budget: float) -> Assignment:
        count = len(batch)
        return Assignment(np.full(count, self.first, np.intp), np.full(count, 1.0), np.full(count, self.high))

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        self.calls.append((question.name, seen, left))
        return self.decide(seen, left)

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        self.ends[question.name] = seen
        return plurality(seen)

    def to_json(self) -> Mapping[str, Any]:
        return {}


def table(**more: Any) -> Table:
    """Three questions, three arms: right answers are number 5, and the first and second agree on the last question."""
    answers = np.array([[5, 7, 5], [3, 5, 5], [2, 2, -1]])
    fields: dict[str, Any] = {"answers": answers[:, :, None]} | more
    return Table(
        tuple(Question(f"q{i}", "?") for i in range(3)),
        tuple(Arm(name) for name in "abc"),
        (answers == 5).astype(np.float64)[:, :, None],
        np.tile([1.0, 10.0, 100.0], (3, 1))[:, :, None],
        **fields,
    )


def until_two_agree(seen: tuple[Seen, ...], left: float) -> int:
    answers = [one.answer for one in seen]
    return STOP if len(set(answers)) < len(answers) or len(seen) == 3 else len(seen)


def test_all_that_is_asked_is_paid_for_and_the_most_frequent_answer_stands() -> None:
    policy = Asking(until_two_agree, table().arms, high=1000.0)
    found = simulate(policy, table(), 1.0)
    assert found.costs.tolist() == [111.0, 111.0, 11.0]
    assert found.scores.tolist() == [1.0, 1.0, 0.0]
    assert found.arms.tolist() == [0, 0, 0]
    courses, replayed = followed(policy, table(), policy.assign(table().batch(), 1.0))
    assert courses.later == (((1, 2),), ((1, 2),), ((1,),))
    assert courses.standing(replayed.scores)[:, 0].tolist() == found.scores.tolist()
    assert courses.paid(replayed.costs)[:, 0].tolist() == found.costs.tolist()


def test_a_policy_sees_no_number_that_tells_of_arms_it_has_not_asked() -> None:
    """In the table the numbers are those of all arms together; a policy's count from its own first answer."""
    policy = Asking(until_two_agree, table().arms, first=1, high=1000.0)
    policy.decide = lambda seen, left: [2, 0, STOP][len(seen) - 1]
    simulate(policy, table(), 1.0)
    assert {name: [one.answer for one in seen] for name, seen in policy.ends.items()} == {
        "q0": [0, 1, 1],
        "q1": [0, 0, 1],
        "q2": [0, -1, 0],
    }
    failed = next(seen[1] for name, seen, _ in policy.calls if name == "q2" and len(seen) == 2)
    assert (failed.status, failed.answered) == (Status.PARSE_ERROR, False)


def test_abstentions_and_confidences_are_told() -> None:
    silent = np.zeros((3, 3, 1))
    silent[2, 2] = 1
    sure = np.array([[0.9, np.nan, 0.1]] * 3)[:, :, None]
    policy = Asking(lambda seen, left: [2, STOP][len(seen) - 1], table().arms, high=1000.0)
    simulate(policy, table(abstained=silent, confidences=sure), 1.0)
    looks = policy.ends
    assert [one.abstained for one in looks["q2"]] == [False, True]
    assert looks["q2"][1].status is Status.OK
    assert [one.confidence for one in looks["q0"]] == [0.9, 0.1]


def test_what_is_left_falls_and_ends_a_question_where_nothing_is() -> None:
    policy = Asking(lambda seen, left: len(seen) if len(seen) < 3 else STOP, table().arms, high=11.0)
    found = simulate(policy, table(), 1.0)
    assert [left for name, _, left in policy.calls if name == "q0"] == [10.0, 0.0]
    assert found.costs.tolist() == [11.0] * 3


@pytest.mark.parametrize(
    ("ceiling", "asked", "cost", "final", "cut"),
    [
        (111.0, (0, 1, 2), 111.0, 0, False),
        (110.0, (0, 1, 2), 110.0, 1, True),
        (5.0, (0, 1), 5.0, 0, True),
        (0.5, (0,), 0.5, UNANSWERED, True),
    ],
)
def test_a_ceiling_ends_it_between_two_arms_and_what_was_seen_stands(
    ceiling: float, asked: tuple[int, ...], cost: float, final: int, cut: bool
) -> None:
    policy = Asking(lambda seen, left: len(seen) if len(seen) < 3 else STOP, table().arms, high=1000.0)
    found = TableReader(policy, table()).follow(0, 0, 0, 1000.0, ceiling)
    assert (found.asked, found.cost, found.cut) == (asked, cost, cut)
    assert found.final == {0: 2 if len(asked) == 3 and not cut else 0}.get(final, final)


def test_an_arm_may_be_a_cascade_of_its_own() -> None:
    cascade = cascade_arm((Stage("a", stop="always"), Stage("b", stop="agrees"), Stage("c")), "plurality")
    policy = Asking(lambda seen, left: [1, STOP][len(seen) - 1], (cascade, Arm("c")), high=1000.0)
    found = simulate(policy, table(), 1.0)
    assert found.costs.tolist() == [211.0, 211.0, 111.0]
    answers = {name: [one.answer for one in seen] for name, seen in policy.ends.items()}
    assert answers == {"q0": [0, 0], "q1": [0, 0], "q2": [0, -1]}


def test_a_policy_that_never_stops_asks_every_arm_once() -> None:
    policy = Asking(lambda seen, left: len(seen), table().arms, high=1e9)
    assert simulate(policy, table(), 1.0).costs.tolist() == [111.0] * 3


@pytest.mark.parametrize("wrong", [7, -5, 0])
def test_what_it_may_not_ask_is_an_error_that_names_the_policy(wrong: int) -> None:
    with pytest.raises(UsageError, match="policy 'asking'"):
        simulate(Asking(lambda seen, left: wrong, table().arms), table(), 1.0)
    with pytest.raises(UsageError, match="no arm 'd'"):
        simulate(Asking(until_two_agree, (Arm("a"), Arm("d"))), table(), 1.0)


def test_an_arm_that_was_not_run_is_refused_also_as_a_second_look() -> None:
    whole = table()
    ran = np.ones((3, 3), bool)
    ran[1, 1] = False
    scores, costs = (np.where(ran[:, :, None], each, np.nan) for each in (whole.scores, whole.costs))
    gapped = replace(whole, scores=scores, costs=costs, ran=ran)
    with pytest.raises(UsageError, match=r"arm 'b' for question 'q1'.*not run"):
        simulate(Asking(until_two_agree, whole.arms), gapped, 1.0)


def test_a_table_that_shows_nothing_is_followed_as_well() -> None:
    policy = Asking(until_two_agree, table().arms, high=1000.0)
    found = simulate(policy, table(answers=None), 1.0)
    assert found.costs.tolist() == [11.0] * 3, "no answer is known, so all are alike"


def test_replicates_are_followed_each_for_itself() -> None:
    answers = np.array([[[5, 1], [5, 2], [5, 2]]])
    two = Table(
        (Question("q", "?"),),
        tuple(Arm(name) for name in "abc"),
        (answers == 5).astype(np.float64),
        np.tile(np.array([1.0, 10.0, 100.0])[:, None], (1, 1, 2)),
        answers=answers,
    )
    found = simulate(Asking(until_two_agree, two.arms, high=1e9), two, 1.0)
    assert found.costs.tolist() == [(11 + 111) / 2]
    assert found.scores.tolist() == [0.5]


def test_of_a_cascade_it_is_told_how_sure_its_rules_take_the_answer_to_be() -> None:
    """As where it serves: what was learned of an arm goes before the arm's own word."""
    told = Confidence(1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    cascade = cascade_arm((Stage("a", confidence=told),), answers_at=0.5)
    policy = Asking(lambda seen, left: STOP, (cascade, Arm("c")))
    simulate(policy, table(confidences=np.full((3, 3, 1), 0.2)), 1.0)
    assert [one.confidence for _, seen, _ in policy.calls for one in seen] == pytest.approx(
        [1 / (1 + np.exp(-1.0))] * 3
    )


def test_an_answer_that_is_withheld_is_none() -> None:
    sure = np.array([[0.2] * 3, [0.9] * 3, [0.9] * 3])[:, :, None]
    policy = Asking(lambda seen, left: STOP, (cascade_arm((Stage("a"),), answers_at=0.5), Arm("c")))
    simulate(policy, table(confidences=sure), 1.0)
    told = {name: [(one.answer, one.answered) for one in seen] for name, seen, _ in policy.calls}
    assert told == {"q0": [(-1, False)], "q1": [(0, True)], "q2": [(0, True)]}
