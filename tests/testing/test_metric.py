"""The shipped metrics keep to the shipped conformance suite, and the suite catches those that do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.testing.metric import MetricConformance

Examples = Sequence[tuple[Task, str, str]]
PROBLEM = {
    "variables": [{"type": "int", "name": "a", "low": 1, "high": 9}],
    "constraints": [{"kind": "compare", "variable": "a", "relation": ">", "value": 4}],
}


class TestExact(MetricConformance):
    def metric(self) -> str:
        return "exact"

    def examples(self) -> Examples:
        return [(Task(question="Capital?", gold="New York"), "new york", "York")]


class TestNumeric(MetricConformance):
    def metric(self) -> str:
        return "numeric"

    def examples(self) -> Examples:
        return [(Task(question="6 x 7?", gold="42"), "It is 42.", "41"), (Task(question="?", gold="1/3"), "1/3", "3")]


class TestChoice(MetricConformance):
    def metric(self) -> str:
        return "choice"

    def examples(self) -> Examples:
        return [(Task(question="Which?\nA) cat\nB) dog", gold="B"), "dog", "A")]


class TestTokenF1(MetricConformance):
    def metric(self) -> str:
        return "token_f1"

    def examples(self) -> Examples:
        return [(Task(question="What?", gold="the Eiffel Tower"), "Eiffel tower", "a tower")]


class TestSet(MetricConformance):
    def metric(self) -> str:
        return "set"

    def examples(self) -> Examples:
        return [(Task(question="Which?", gold="red, green"), "green and red", "red")]


class TestConstraints(MetricConformance):
    def metric(self) -> str:
        return "constraints"

    def examples(self) -> Examples:
        return [(Task(question="?", metadata={"problem": PROBLEM}), "a=7", "a=3")]


class TestAuto(MetricConformance):
    def metric(self) -> str:
        return "auto"

    def examples(self) -> Examples:
        return [(Task(question="?", gold="7", metadata={"metric": "numeric"}), "so 7", "8")]


class _Count:
    calls = 0


def _moody(task: Task, answer: str) -> float:
    _Count.calls += 1
    return 1 / _Count.calls


def _kind(task: Task, answer: str) -> float:
    return 1.0


def _strict(task: Task, answer: str) -> float:
    return 0.9 * (answer == task.gold)


def _fragile(task: Task, answer: str) -> float:
    return float(int(answer) == int(task.gold))


@pytest.mark.parametrize(
    ("function", "test"),
    [
        (_moody, "test_the_score_depends_on_the_arguments_alone"),
        (_kind, "test_a_worse_answer_scores_less"),
        (_kind, "test_no_answer_scores_zero"),
        (_strict, "test_a_right_answer_scores_one"),
        (_fragile, "test_any_text_scores_between_zero_and_one"),
    ],
)
def test_the_suite_catches(function: Callable[[Task, str], float], test: str) -> None:
    class Suite(MetricConformance):
        def metric(self) -> Callable[[Task, str], float]:
            return function

        def examples(self) -> Examples:
            return [(Task(question="?", gold="4"), "4", "5")]

    with pytest.raises((AssertionError, UsageError)):
        getattr(Suite(), test)()
