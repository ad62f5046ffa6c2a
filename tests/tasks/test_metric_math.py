from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks import metric_math
from apportion.tasks.metric_math import MathMetric
from apportion.tasks.metrics import score


@pytest.fixture(scope="module")
def math() -> Iterator[MathMetric]:
    metric = MathMetric()
    yield metric
    metric.close()


def task(gold: str, **metadata: object) -> Task:
    return Task(question="?", gold=gold, name="t", metadata=metadata)


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        (r"\frac{1}{2}", "0.5", 1.0),
        (r"\frac{\sqrt{2}}{2}", r"1/\sqrt{2}", 1.0),
        (r"2\sqrt{3}", "√12", 1.0),
        ("x^2+2x+1", "(x+1)^2", 1.0),
        (r"\{1, 2\}", r"\{2, 1\}", 1.0),
        ("(1, 2]", "(1,2]", 1.0),
        ("(1, 2]", "[1, 2]", 0.0),
        ("x = 6", "6", 1.0),
        (r"x \in [1, 2]", "[1, 2]", 1.0),
        ("x+1", "x-1", 0.0),
        (r"\pi", "3", 0.0),
        ("5", "", 0.0),
    ],
)
def test_the_same_mathematics(math: MathMetric, gold: str, answer: str, expected: float) -> None:
    assert math(task(gold), answer) == expected


@pytest.mark.parametrize(
    "answer", ["9**9**9**9", "9^{9^{9^{9}}}", "{" * 1500, "5" * 5000, r"\sum_{n=1}^{10^{9}} \frac{1}{n}"]
)
def test_a_hostile_expression_ends_and_is_wrong(math: MathMetric, answer: str) -> None:
    assert math(task("x+5"), answer) == 0.0
    assert math(task("x+5"), "5+x") == 1.0


def test_text_is_not_evaluated(math: MathMetric, tmp_path: object) -> None:
    mark = f"{tmp_path}/mark"
    for text in (f"__import__('os').mkdir('{mark}')", f"\\text{{__import__('os').mkdir('{mark}')}}"):
        assert math(task("x+5"), text) == 0.0
    assert not os.path.exists(mark)


def test_aliases_are_right_too(math: MathMetric) -> None:
    assert math(task("x+5", aliases=["x^2"]), "x \\cdot x") == 1.0


def test_it_has_a_name_and_says_that_it_takes_long() -> None:
    assert score(task(r"\frac{1}{2}"), "1/2", "math") == 1.0
    assert score(task("1/2", metric="math"), "0.5") == 1.0


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_math, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"metric 'math', task 't': .*pip install 'apportion\[math\]'"):
        MathMetric()(task("1"), "1")


def test_a_gold_answer_without_mathematics_is_named(math: MathMetric) -> None:
    with pytest.raises(UsageError, match="task 't': there is no mathematics in the gold answer"):
        math(task("\\\\ & %"), "5")
