"""The metric that checks an answer against the constraints of its puzzle."""

from __future__ import annotations

import json

from ..errors import ProblemError, UsageError
from ..nodes.symbolic.answer import parse_answer
from ..nodes.symbolic.check import objective_value, violations
from ..nodes.symbolic.schema import Problem, parse_problem
from ..records.answers import plain
from ..records.task import Task

__all__ = ["constraints"]


def constraints(task: Task, answer: str, /) -> float:
    """1 where the answer, such as `a=1 b=3`, gives every variable a value and satisfies every constraint.

    `metadata["problem"]` is the problem in the schema of `nodes.symbolic.schema`, as an object or as JSON text. Where
    the problem has an objective, the answer must also reach `metadata["optimum"]`.

    Raises:
        UsageError: the task has no such problem, its answer leaves out variables that the constraints need, or it has
            an objective and no optimum.
    """
    problem = _problem(task)
    values = parse_answer(problem, answer)
    if not values:
        values = parse_answer(problem, plain(answer).replace("*", " "))
    if values is None or violations(problem, values):
        return 0.0
    return float(problem.objective is None or objective_value(problem, values) == _optimum(task))


def _problem(task: Task) -> Problem:
    given = task.metadata.get("problem")
    if given is None:
        raise UsageError(f"{_where(task)}: metadata 'problem' is missing; it holds the constraints")
    try:
        problem = parse_problem(given if isinstance(given, str) else json.dumps(given))
    except (ProblemError, TypeError) as error:
        raise UsageError(f"{_where(task)}: metadata 'problem' is not valid: {error}") from None
    hidden = sorted(set(problem.by_name) - set(problem.shown))
    if hidden:
        raise UsageError(
            f"{_where(task)}: the answer leaves out {hidden[0]!r}, so the constraints cannot be checked; "
            "name every variable in 'answer', or grade with 'exact'"
        )
    if problem.objective is not None:
        _optimum(task)
    return problem


def _optimum(task: Task) -> int:
    optimum = task.metadata.get("optimum")
    if not isinstance(optimum, int) or isinstance(optimum, bool):
        raise UsageError(f"{_where(task)}: the problem has an objective, so metadata 'optimum' must be its best value")
    return optimum


def _where(task: Task) -> str:
    return f"metric 'constraints', task {task.name or task.task_id!r}"
