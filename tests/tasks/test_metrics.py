from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from apportion.errors import UnknownName, UsageError
from apportion.records.task import Task
from apportion.tasks.families import FAMILIES, generate
from apportion.tasks.metrics import (
    METRICS,
    CheckedMetric,
    check_golds,
    metric_for,
    resolve_metric,
    score,
    scores_answers,
)

TASK = Task(question="2 + 2?", gold="4", name="sum")

MODULE = """
import asyncio
def half(task, answer):
    return 0.5
def boolean(task, answer):
    return answer == task.gold
def three(task, answer):
    return 3
def undefined(task, answer):
    return float("nan")
def text(task, answer):
    return "good"
def fails(task, answer):
    return 1 / 0
def short(task):
    return 1.0
async def waits(task, answer):
    await asyncio.sleep(0)
    return 1.0 if answer == task.gold else 0.5
async def late(task, answer):
    return 1 / 0
def whole(task, result):
    return float(result.charged == 0)
async def typed(task, found: "apportion.Result"):
    return float(found.answer == task.gold)
class Judge:
    def __call__(self, task, answer):
        return 0.25
judge = Judge()
table = {}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = "metrics_of_a_user"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_every_name_is_a_metric() -> None:
    words = {"exact", "verbatim", "contains", "token_f1", "rouge_l", "set", "choice", "regex"}
    assert set(METRICS) == words | {"numeric", "constraints", "math", "json_fields", "sql"}
    assert resolve_metric("exact")(TASK, "4") == 1.0


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown metric 'numerical'; did you mean 'numeric'"):
        resolve_metric("numerical")


def test_a_function_of_a_module(module: str) -> None:
    assert score(TASK, "4", f"{module}:half") == 0.5
    assert score(TASK, "4", f"{module}:boolean") == 1.0
    assert score(TASK, "4", f"{module}:judge") == 0.25
    assert score(TASK, "4", f"{module}:judge.__call__") == 0.25


def test_a_callable_is_a_metric() -> None:
    def long_enough(task: Task, answer: str) -> float:
        return float(len(answer) > 3)

    assert score(TASK, "four", long_enough) == 1.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:f", "there is no module 'no_such_module'; install it, put its folder on PYTHONPATH"),
        ("{module}:haf", "did you mean 'half'?"),
        ("{module}:table", "is no function; it is a dict"),
        ("{module}:Judge", "is a class"),
        ("{module}:short", "cannot be called with (task, answer)"),
        ("{module}:", "must be written module:name"),
        (":half", "must be written module:name"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(module: str, name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_metric(name.format(module=module))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_thing", "broken_metrics.py:1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("1 / 0", "broken_metrics.py:1: ZeroDivisionError: division by zero"),
        ("def", "broken_metrics.py:1: SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "broken_metrics.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_metrics", raising=False)
    with pytest.raises(UsageError) as caught:
        resolve_metric("broken_metrics:f")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("three", "it returned 3; return a score from 0 to 1"),
        ("undefined", "it returned nan; return a score from 0 to 1"),
        ("text", "it returned str, not a number"),
        ("fails", "ZeroDivisionError: division by zero"),
        ("late", "ZeroDivisionError: division by zero"),
        ("whole", "it takes the whole result of a run, so it cannot score an answer"),
    ],
)
def test_what_is_no_score_names_metric_and_task(module: str, function: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        score(TASK, "4", f"{module}:{function}")
    assert f"metric '{module}:{function}', task 'sum': " in str(caught.value)
    assert words in str(caught.value)


def test_an_asynchronous_metric_is_run_to_its_end(module: str) -> None:
    assert score(TASK, "4", f"{module}:waits") == 1.0

    async def within_a_loop() -> float:
        return score(TASK, "5", f"{module}:waits")

    assert asyncio.run(within_a_loop()) == 0.5


def test_a_metric_says_that_it_takes_the_result_by_its_parameter(module: str) -> None:
    for name, whole, waited in (("half", 0, 0), ("waits", 0, 1), ("whole", 1, 0), ("typed", 1, 1), ("judge", 0, 0)):
        metric = resolve_metric(f"{module}:{name}")
        assert isinstance(metric, CheckedMetric)
        assert (metric.whole, metric.waited) == (bool(whole), bool(waited))
        assert metric.grades_results(TASK) is bool(whole or waited)
        assert scores_answers(metric, [TASK]) is not bool(whole)
    assert scores_answers(resolve_metric("exact"), [TASK])
    named = TASK.model_copy(update={"metadata": {"metric": f"{module}:whole"}})
    auto = resolve_metric("auto")
    assert not scores_answers(auto, [TASK, named])
    assert scores_answers(auto, [TASK])


def test_auto_takes_what_the_task_names_then_the_family_then_exact() -> None:
    named = Task(question="?", gold="4", family="chains", metadata={"metric": "set"})
    assert metric_for(named) == "set"
    assert metric_for(Task(question="?", gold="4", family="chains")) == "numeric"
    assert metric_for(TASK) == "exact"
    assert score(TASK, "It is 4") == 0.0
    assert score(TASK.model_copy(update={"metadata": {"metric": "numeric"}}), "It is 4") == 1.0


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (3, "metadata 'metric' must be the name of a metric"),
        ("auto", "metadata 'metric' must name a metric"),
        ("exakt", "did you mean 'exact'"),
    ],
)
def test_a_task_that_names_no_metric(metric: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        score(Task(question="?", gold="4", metadata={"metric": metric}), "4")
    assert words in str(caught.value)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_generated_gold_answers_score_one(family: str) -> None:
    tasks: Sequence[Task] = generate(family, 5, 0, min(FAMILIES[family].difficulties))
    check_golds(tasks)
    assert all(score(task, "no idea") == 0.0 for task in tasks)


def test_tasks_that_cannot_be_graded_are_found_before_anything_is_spent(module: str) -> None:
    check_golds([TASK], "exact")
    check_golds([TASK], f"{module}:fails")
    with pytest.raises(UsageError, match="task 'sum': metadata 'problem' is missing"):
        check_golds([TASK], "constraints")
    with pytest.raises(UsageError, match="there is no gold answer"):
        check_golds([TASK, Task(question="?")])
    with pytest.raises(UsageError, match="itself scores 0"):
        check_golds(
            [
                Task(
                    question="?",
                    gold="a=1",
                    metadata={
                        "metric": "constraints",
                        "problem": {
                            "variables": [{"type": "int", "name": "a", "low": 0, "high": 3}],
                            "constraints": [{"kind": "compare", "variable": "a", "value": 2}],
                        },
                    },
                )
            ]
        )
