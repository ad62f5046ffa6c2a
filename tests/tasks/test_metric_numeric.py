from __future__ import annotations

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_numeric import numeric


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("42", "The answer is 42."),
        ("42", "first 7, then 42 apples"),
        ("42", "042"),
        ("#### 8", "so 3+5=8"),
        ("1,234", "1234"),
        ("$1,234.50", "1234.5 dollars"),
        ("12345678901", "12,345,678,901"),
        ("-3", "x = −3"),
        ("-3", "x=-3"),
        ("12", "between 10-12"),
        ("0", "-0"),
        (".5", "0.50"),
        ("3/4", "0.75"),
        ("0.75", "3/4"),
        ("1000", "1e3"),
        ("50%", "50 %"),
        ("50%", "0.5"),
        ("50%", "50"),
        ("0.5", "50%"),
        ("1", "100%"),
        ("5", "5 km^2"),
        ("5", "5 mol of H2O"),
        ("2.5", "2.5000001"),
        ("1" * 400, "1" * 400),
        ("42", "forty-two"),
        ("0.5", r"\frac{1}{2}"),
        (r"\frac{1}{2}", "0.5"),
        ("0.5", r"50\%"),
        ("1234", "1{,}234"),
        ("1234", "1\u202f234"),
        ("1234", "1\u00a0234"),
        ("1234", "1 234"),
        ("1234", "1.234,0"),
        ("100000", "1,00,000"),
        ("0.85", "0,85"),
        ("-5", "–5"),
        ("42", "４２"),
        ("42", "٤٢"),
        ("1500000", "1.5 million"),
        ("300000", r"3\times10^5"),
        ("2.5", "it is 2½"),
        ("1/3", r"\dfrac{1}{3}"),
        ("3", "5, 4, 3"),
    ],
)
def test_equal_numbers(gold: str, answer: str) -> None:
    assert numeric(Task(question="?", gold=gold), answer) == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("42", "43"),
        ("42", "42 or 43"),
        ("42", ""),
        ("3", "x=-3"),
        ("12345678901", "12345678902"),
        ("2.5", "2.51"),
        ("0", "0.001"),
        ("100", "1%"),
        ("50%", "0.005"),
        ("50%", "0.5%"),
        ("3", "1/0"),
        ("5", "1e9999"),
        (r"\frac{1}{2}", "2"),
        ("2", r"\frac{\sqrt{3}}{2}"),
        ("2", r"\sqrt{2}"),
        ("2", "2π"),
        ("2", "x^2"),
        ("100", "10²5"),
        ("102", "10²"),
    ],
)
def test_different_numbers(gold: str, answer: str) -> None:
    assert numeric(Task(question="?", gold=gold), answer) == 0.0


def test_a_task_may_set_its_tolerance() -> None:
    task = Task(question="?", gold="3.14", metadata={"tolerance": 0.01})
    assert numeric(task, "3.14159") == 1.0
    assert numeric(task, "3.2") == 0.0
    whole = Task(question="?", gold="1000", metadata={"tolerance": 0.01})
    assert numeric(whole, "1009") == 1.0


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task(question="?", name="t"), "there is no gold answer"),
        (Task(question="?", name="t", gold="many"), "there is no number in the gold answer 'many'"),
        (Task(question="?", name="t", gold="1e9999"), "there is no number"),
        (Task(question="?", name="t", gold=r"2\pi"), "'math' compares expressions"),
        (Task(question="?", name="t", gold="1", metadata={"tolerance": float("inf")}), "must be a number"),
        (Task(question="?", name="t", gold="1", metadata={"tolerance": "1%"}), "metadata 'tolerance' must be a number"),
    ],
)
def test_a_task_that_cannot_be_graded_is_named(task: Task, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        numeric(task, "1")
    assert "task 't'" in str(caught.value)
    assert words in str(caught.value)
