from __future__ import annotations

import pytest

from apportion.records.task import Task
from apportion.tasks.metric_contains import contains
from apportion.testing.metric import MetricConformance


class TestConformance(MetricConformance):
    def metric(self) -> str:
        return "contains"

    def examples(self) -> list[tuple[Task, str, str]]:
        return [(Task(question="Where?", gold="Paris"), "It is in Paris, France.", "It is in Rome.")]


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        ("6", "There are 6.", 1),
        ("6", "There are 16.", 0),
        ("U.S. Senate", "the u.s.  senate", 1),
        ("C++", "It is written in C++, mostly", 1),
        ("(a.b)", "f(axb)", 0),
        ("art", "the party", 0),
        ("北京", "答案是北京。", 1),
    ],
)
def test_whole_words_count(gold: str, answer: str, score: int) -> None:
    assert contains(Task(question="?", gold=gold), answer) == score


def test_aliases_are_right_too() -> None:
    assert contains(Task(question="?", gold="New York", metadata={"aliases": ["NYC"]}), "in NYC") == 1
