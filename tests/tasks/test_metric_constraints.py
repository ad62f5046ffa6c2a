from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_constraints import constraints

PROBLEM: dict[str, Any] = {
    "variables": [{"type": "int", "name": "a", "low": 1, "high": 9}, {"type": "int", "name": "b", "low": 1, "high": 9}],
    "constraints": [{"kind": "compare", "variable": "a", "relation": "<", "other": "b"}],
}
BEST = PROBLEM | {"objective": {"sense": "maximize", "terms": [{"variable": "a"}, {"variable": "b"}]}}


def task(problem: object, **metadata: object) -> Task:
    return Task(question="?", name="t", metadata={"problem": problem} | metadata)


@pytest.mark.parametrize("problem", [PROBLEM, json.dumps(PROBLEM)])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("a=1 b=3", 1.0),
        ("a=1, b=3", 1.0),
        ("b: 9; a: 8", 1.0),
        ("So a = 2 and b = 5.", 1.0),
        ("a=3 b=1", 0.0),
        ("a=1", 0.0),
        ("b=3", 0.0),
        ("a=0 b=3", 0.0),
        ("a=1 b=3 a=2", 0.0),
        ("", 0.0),
        ("1 3", 0.0),
    ],
)
def test_every_solution_is_right_and_a_part_of_one_is_not(problem: object, answer: str, expected: float) -> None:
    assert constraints(task(problem), answer) == expected


def test_with_an_objective_only_the_best_is_right() -> None:
    assert constraints(task(BEST, optimum=17), "a=8 b=9") == 1.0
    assert constraints(task(BEST, optimum=17), "a=7 b=9") == 0.0


@pytest.mark.parametrize(
    ("graded", "words"),
    [
        (Task(question="?", name="t"), "metadata 'problem' is missing"),
        (task({"variables": []}), "metadata 'problem' is not valid: variables: "),
        (task("{"), "metadata 'problem' is not valid: not valid JSON"),
        (task(PROBLEM | {"answer": {"variables": ["a"]}}), "the answer leaves out 'b'"),
        (task(BEST), "metadata 'optimum' must be its best value"),
        (task(BEST, optimum="17"), "metadata 'optimum' must be its best value"),
    ],
)
def test_a_task_that_cannot_be_graded_is_named(graded: Task, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        constraints(graded, "a=1 b=2")
    assert "task 't'" in str(caught.value)
    assert words in str(caught.value)
