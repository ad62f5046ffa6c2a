"""The solver's model against brute force with the independent check."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from apportion.nodes.symbolic.build import SolverModel
from apportion.nodes.symbolic.check import objective_value, violations
from apportion.nodes.symbolic.constraints import (
    Abs,
    Activity,
    AllDifferent,
    AnyOf,
    Compare,
    Condition,
    Constraint,
    Count,
    Cumulative,
    Element,
    Implication,
    Linear,
    Max,
    Min,
    TableConstraint,
)
from apportion.nodes.symbolic.schema import Objective, Problem, Shown
from apportion.nodes.symbolic.solving import solve_text
from apportion.nodes.symbolic.variables import BoolVariable, EnumVariable, IntVariable, Relation, Term, Variable

RELATIONS: tuple[Relation, ...] = ("==", "!=", "<", "<=", ">", ">=")
NUMBERS = ("a", "b", "c", "q")
ENUMS = ("pet", "prey")
VARIABLES: tuple[Variable, ...] = (
    IntVariable(name="a", low=-2, high=2),
    IntVariable(name="b", low=0, high=2),
    IntVariable(name="c", low=-1, high=1),
    BoolVariable(name="q"),
    EnumVariable(name="pet", values=("cat", "dog", "owl")),
    EnumVariable(name="prey", values=("mouse", "cat")),
)

number = st.sampled_from(NUMBERS)
several = st.lists(number, min_size=1, max_size=4, unique=True).map(tuple)
small = st.integers(-4, 4)
relation = st.sampled_from(RELATIONS)
terms = st.lists(st.builds(Term, variable=number, coefficient=small), min_size=1, max_size=3).map(tuple)
linear = st.builds(Linear, terms=terms, relation=relation, constant=small)
compare = st.one_of(
    st.builds(Compare, variable=st.sampled_from(("a", "b", "c")), relation=relation, value=small),
    st.builds(Compare, variable=number, relation=relation, other=number),
    st.builds(Compare, variable=st.just("q"), relation=relation, value=st.booleans()),
    st.builds(
        Compare,
        variable=st.just("pet"),
        relation=st.sampled_from(("==", "!=")),
        value=st.sampled_from(("cat", "dog", "owl")),
    ),
    st.builds(
        Compare,
        variable=st.sampled_from(ENUMS),
        relation=st.sampled_from(("==", "!=")),
        other=st.sampled_from(ENUMS),
    ),
)
condition: st.SearchStrategy[Condition] = linear | compare
conditions = st.lists(condition, min_size=1, max_size=2).map(tuple)
constraint: st.SearchStrategy[Constraint] = st.one_of(
    condition,
    st.builds(AllDifferent, variables=st.sampled_from((("a", "b"), ("a", "b", "c"), ("b", "q"), ENUMS))),
    st.builds(Implication, when=conditions, then=conditions),
    st.builds(AnyOf, conditions=conditions),
    st.builds(
        TableConstraint,
        variables=st.just(("a", "q", "prey")),
        rows=st.lists(
            st.tuples(st.integers(-2, 2), st.booleans(), st.sampled_from(("mouse", "cat"))), min_size=1, max_size=5
        ).map(tuple),
        forbidden=st.booleans(),
    ),
    st.builds(
        Element,
        index=st.sampled_from(("a", "b", "c")),
        array=st.lists(small | number, min_size=1, max_size=4).map(tuple),
        target=number,
    ),
    st.builds(
        Element,
        index=st.just("b"),
        array=st.lists(st.sampled_from(ENUMS), min_size=1).map(tuple),
        target=st.just("pet"),
    ),
    st.builds(Abs, target=number, terms=terms),
    st.builds(Min, target=number, variables=several),
    st.builds(Max, target=number, variables=several),
    st.builds(Count, variables=st.just(("a", "b", "c")), value=small, relation=relation, constant=st.integers(0, 3)),
    st.builds(Count, variables=st.just(ENUMS), value=st.just("cat"), relation=relation, constant=st.integers(0, 2)),
    st.builds(
        Cumulative,
        activities=st.lists(
            st.builds(Activity, start=number, duration=st.integers(0, 3), demand=st.integers(0, 3)),
            min_size=1,
            max_size=4,
        ).map(tuple),
        capacity=st.integers(0, 4),
    ),
)
problems = st.builds(
    Problem,
    variables=st.just(VARIABLES),
    constraints=st.lists(constraint, max_size=4).map(tuple),
    objective=st.none() | st.builds(Objective, sense=st.sampled_from(("minimize", "maximize")), terms=terms),
    answer=st.builds(Shown, variables=st.sampled_from((("a",), ("pet", "b"), ()))),
)


def assignments(problem: Problem) -> Iterator[Mapping[str, bool | int | str]]:
    domains: list[tuple[bool | int | str, ...]] = []
    for variable in problem.variables:
        match variable:
            case IntVariable(low=low, high=high):
                domains.append(tuple(range(low, high + 1)))
            case BoolVariable():
                domains.append((False, True))
            case EnumVariable(values=labels):
                domains.append(labels)
    for values in itertools.product(*domains):
        yield dict(zip(problem.by_name, values, strict=True))


def best(problem: Problem) -> list[Mapping[str, bool | int | str]]:
    """All solutions, the best ones only where there is an objective."""
    found = [values for values in assignments(problem) if not violations(problem, values)]
    if problem.objective is None or not found:
        return found
    scores = [objective_value(problem, values) or 0 for values in found]
    goal = min(scores) if problem.objective.sense == "minimize" else max(scores)
    return [values for values, score in zip(found, scores, strict=True) if score == goal]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems)
def test_the_solver_and_brute_force_agree(problem: Problem) -> None:
    solutions = best(problem)
    reply = solve_text(problem.to_json(), 20.0, memory=2**31)
    if not solutions:
        assert reply["status"] == "unsat"
        return
    assert reply["status"] == "ok"
    assert reply["assignment"] in solutions


@pytest.mark.parametrize("code", range(12))
def test_every_kind_of_constraint_binds_in_the_model(code: int) -> None:
    """The number of solutions is the same for the solver and for brute force, kind by kind."""
    minus_b = (Term(variable="a"), Term(variable="b", coefficient=-1))
    is_cat = Compare(variable="pet", value="cat")
    of_kind: tuple[Constraint, ...] = (
        AllDifferent(variables=("a", "b", "c")),
        Linear(terms=minus_b, relation=">=", constant=0),
        Compare(variable="pet", other="prey"),
        Implication(when=(is_cat,), then=(Compare(variable="a", relation=">", value=0),)),
        AnyOf(conditions=(is_cat, Compare(variable="q", value=True))),
        TableConstraint(variables=("a", "prey"), rows=((1, "cat"), (0, "mouse"))),
        Element(index="b", array=(1, "a", "c"), target="c"),
        Abs(target="b", terms=minus_b),
        Min(target="a", variables=("b", "c")),
        Max(target="a", variables=("b", "c")),
        Count(variables=("pet", "prey"), value="cat", relation="==", constant=1),
        Cumulative(
            activities=(
                Activity(start="a", duration=2, demand=2),
                Activity(start="b", duration=1, demand=2),
                Activity(start="c", duration=0, demand=9),
            ),
            capacity=3,
        ),
    )
    problem = Problem(variables=VARIABLES, constraints=(of_kind[code],))
    assert 0 < solutions(problem) < 5 * 3 * 3 * 2 * 3 * 2
    assert solutions(problem) == len(best(problem))


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("within", ["when", "then", "any_of"])
def test_a_condition_holds_in_the_model_exactly_where_it_holds(relation: Relation, within: str) -> None:
    flag = Compare(variable="q", value=True)
    for condition in (
        Linear(terms=(Term(variable="a"), Term(variable="b", coefficient=-1)), relation=relation, constant=0),
        Compare(variable="a", relation=relation, value=1),
        Compare(variable="a", relation=relation, other="b"),
    ):
        wrapped: dict[str, Constraint] = {
            "when": Implication(when=(condition,), then=(flag,)),
            "then": Implication(when=(flag,), then=(condition, Compare(variable="c", relation="!=", value=0))),
            "any_of": AnyOf(conditions=(flag, condition)),
        }
        problem = Problem(variables=VARIABLES[:4], constraints=(wrapped[within],))
        assert solutions(problem) == len(best(problem))


def solutions(problem: Problem) -> int:
    """How many there are, counted by the solver."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.enumerate_all_solutions = True
    counter = _Counter()
    solver.solve(SolverModel(problem).model, counter)
    return counter.found


class _Counter(cp_model.CpSolverSolutionCallback):
    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def on_solution_callback(self) -> None:
        self.found += 1


def test_the_same_label_is_the_same_value_in_every_variable() -> None:
    problem = Problem(variables=VARIABLES, constraints=(Compare(variable="pet", other="prey"),))
    assert {(values["pet"], values["prey"]) for values in best(problem)} == {("cat", "cat")}
    reply = solve_text(problem.to_json(), 20.0, memory=2**31)
    assert isinstance(reply["assignment"], dict)
    assert reply["assignment"]["pet"] == reply["assignment"]["prey"] == "cat"
