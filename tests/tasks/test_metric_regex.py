from __future__ import annotations

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_regex import regex
from apportion.tasks.metrics import check_golds
from apportion.testing.metric import MetricConformance

DATE = r"\b\d{4}-\d{2}-\d{2}\b"


class TestConformance(MetricConformance):
    def metric(self) -> str:
        return "regex"

    def examples(self) -> list[tuple[Task, str, str]]:
        return [(Task(question="When?", gold=DATE), "On 2026-01-05.", "On the fifth.")]


@pytest.mark.parametrize(
    ("pattern", "answer", "score"),
    [
        (r"\Aa+\Z", "aaa", 1),
        (r"\Aa+\Z", "aaab", 0),
        ("(?i)YES", "yes", 1),
        ("(?m)^b$", "a\nb", 1),
        (r"x*", "", 0),
    ],
)
def test_the_pattern_is_searched_for(pattern: str, answer: str, score: int) -> None:
    assert regex(Task(question="?", gold=pattern), answer) == score


@pytest.mark.parametrize("pattern", [r"^(a|a)*$", r"^(a|aa)+$", r"^(?:a|b|aa)*(?:c|d)$"])
def test_a_pattern_that_would_backtrack_for_years_is_stopped_and_scores_zero(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apportion.tasks.metric_regex._SECONDS", 0.2)
    assert regex(Task(question="?", gold=pattern), "a" * 100 + "!") == 0


def test_patterns_are_checked_before_anything_is_spent() -> None:
    check_golds([Task(question="?", gold=DATE, metadata={"metric": "regex"})])
    check_golds([Task(question="?", gold="2026-01-05", metadata={"metric": "regex", "pattern": DATE})])
    with pytest.raises(UsageError, match=r"'\(' is no pattern: missing \)"):
        check_golds([Task(question="?", gold="(", metadata={"metric": "regex"})])
    with pytest.raises(UsageError, match="does not match metadata 'pattern'"):
        check_golds([Task(question="?", gold="today", metadata={"metric": "regex", "pattern": DATE})])
    with pytest.raises(UsageError, match="there is no pattern"):
        regex(Task(question="?", metadata={"pattern": 3}), "3")
    with pytest.raises(UsageError, match="more than 2000"):
        regex(Task(question="?", gold="a" * 2001), "a")
    assert regex.waits(Task(question="?", gold="a"))
