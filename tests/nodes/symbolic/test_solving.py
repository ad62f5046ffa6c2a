from __future__ import annotations

import pytest

from apportion.nodes.symbolic import solving
from apportion.nodes.symbolic.build import SolverModel
from apportion.nodes.symbolic.constraints import AllDifferent, AnyOf, Compare, Linear
from apportion.nodes.symbolic.schema import Objective, Problem
from apportion.nodes.symbolic.solving import solve_text
from apportion.nodes.symbolic.variables import IntVariable, Term

MEMORY = 2**31
A, B = IntVariable(name="a", low=0, high=9), IntVariable(name="b", low=0, high=9)
SUM = (Term(variable="a"), Term(variable="b"))


def solve(problem: Problem, seconds: float = 20.0) -> dict[str, object]:
    return dict(solve_text(problem.to_json(), seconds, memory=MEMORY))


def subset_sums() -> Problem:
    """Many equations over many numbers: far beyond any effort allowed here."""
    count = 50
    return Problem(
        variables=tuple(IntVariable(name=f"x{i}", low=0, high=400) for i in range(count)),
        constraints=tuple(
            Linear(
                terms=tuple(
                    Term(variable=f"x{i}", coefficient=(i * 7919 + j * 104729) ** 2 % 997) for i in range(count)
                ),
                relation="==",
                constant=2_000_003 + 17 * j,
            )
            for j in range(18)
        ),
    )


def test_contradiction_is_unsat_and_carries_no_assignment() -> None:
    reply = solve(Problem(variables=(A,), constraints=(Compare(variable="a", value=3), Compare(variable="a", value=4))))
    assert reply == {"status": "unsat", "reason": "the constraints contradict each other"}


def test_the_best_solution_is_found() -> None:
    cap = Linear(terms=SUM, relation="<=", constant=11)
    goal = Objective(sense="maximize", terms=(Term(variable="a", coefficient=2), Term(variable="b", coefficient=3)))
    reply = solve(Problem(variables=(A, B), constraints=(cap,), objective=goal))
    assert reply == {"status": "ok", "assignment": {"a": 2, "b": 9}, "answer": "a=2 b=9"}


def test_an_objective_beyond_the_precision_of_floats_keeps_its_best_value() -> None:
    wide = IntVariable(name="a", low=0, high=2**29)
    goal = Objective(sense="maximize", terms=(Term(variable="a", coefficient=2**30), Term(variable="b")))
    reply = solve(Problem(variables=(wide, B), objective=goal))
    assert reply["assignment"] == {"a": 2**29, "b": 9}


@pytest.mark.parametrize(
    ("effort_per_second", "seconds", "status", "words"),
    [(1e-3, 30.0, "unknown", "within the limit of effort"), (1e6, 0.3, "timeout", "in 0.3 s")],
)
def test_a_search_given_up_is_not_unsat(
    effort_per_second: float, seconds: float, status: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "_EFFORT_PER_SECOND", effort_per_second)
    reply = solve(subset_sums(), seconds)
    assert reply == {"status": status, "reason": f"no solution was found {words}"}


def test_the_answer_is_the_same_every_time() -> None:
    names = tuple("abcdefghi")
    problem = Problem(
        variables=tuple(IntVariable(name=name, low=1, high=30) for name in names),
        constraints=(
            AllDifferent(variables=names),
            Linear(terms=tuple(Term(variable=name) for name in names), relation="==", constant=99),
            AnyOf(conditions=(Compare(variable="a", value=7), Compare(variable="b", value=9))),
        ),
    )
    first = solve(problem)
    assert first["status"] == "ok"
    assert all(solve(problem) == first for _ in range(3))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"a": 8}, "constraints[0] (compare) does not hold"),
        ({"a": "7"}, "'a' cannot be '7'"),
        ({}, "'a' has no value"),
    ],
)
def test_a_false_solution_is_never_an_answer(
    found: dict[str, bool | int | str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SolverModel, "read", lambda self, solver: found)
    reply = solve(Problem(variables=(A,), constraints=(Compare(variable="a", value=7),)))
    assert reply == {"status": "unknown", "reason": f"the solver's solution fails the check: {reason}"}


def test_text_that_is_no_problem_says_what_to_mend() -> None:
    reply = solve_text('{"variables": [], "run": "import os"}', 1.0, memory=MEMORY)
    assert reply["status"] == "parse_error"
    assert "variables" in str(reply["reason"])
