"""A problem as a CP-SAT model, made by calls of the solver's interface only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import singledispatchmethod

from ortools.sat.python import cp_model

from .constraints import (
    Abs,
    AllDifferent,
    AnyOf,
    Compare,
    Count,
    Cumulative,
    Element,
    Implication,
    Linear,
    Max,
    Min,
    TableConstraint,
)
from .schema import Problem
from .variables import BoolVariable, EnumVariable, IntVariable, Relation, Term, Value

__all__ = ["SolverModel"]

_NEGATED: Mapping[Relation, Relation] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class SolverModel:
    """The CP-SAT model of a problem, and the way back from the solver's numbers to values.

    Labels become whole numbers, the same label the same number in every variable. Conditions inside implications and
    choices become literals that are true if and only if the condition holds.

    Args:
        problem: a validated problem.
    """

    def __init__(self, problem: Problem) -> None:
        self.model = cp_model.CpModel()
        self._problem = problem
        self._codes: dict[str, int] = {}
        self._variables = {variable.name: self._declare(variable) for variable in problem.variables}
        for constraint in problem.constraints:
            self._add(constraint)
        if problem.objective is not None:
            total = self._sum(problem.objective.terms)
            if problem.objective.sense == "minimize":
                self.model.minimize(total)
            else:
                self.model.maximize(total)

    def read(self, solver: cp_model.CpSolver) -> dict[str, bool | int | str]:
        """The values that a solver found."""
        labels = {code: label for label, code in self._codes.items()}
        values: dict[str, bool | int | str] = {}
        for variable in self._problem.variables:
            number = int(solver.value(self._variables[variable.name]))
            match variable:
                case IntVariable():
                    values[variable.name] = number
                case BoolVariable():
                    values[variable.name] = bool(number)
                case EnumVariable():
                    values[variable.name] = labels[number]
        return values

    def _declare(self, variable: IntVariable | BoolVariable | EnumVariable) -> cp_model.IntVar:
        match variable:
            case IntVariable(name=name, low=low, high=high):
                return self.model.new_int_var(low, high, name)
            case BoolVariable(name=name):
                return self.model.new_bool_var(name)
            case EnumVariable(name=name, values=labels):
                codes = [self._codes.setdefault(label, len(self._codes)) for label in labels]
                return self.model.new_int_var_from_domain(cp_model.Domain.from_values(codes), name)

    def _number(self, value: Value) -> int:
        return self._codes[value] if isinstance(value, str) else int(value)

    def _sum(self, terms: Iterable[Term]) -> cp_model.LinearExpr:
        listed = tuple(terms)
        return cp_model.LinearExpr.weighted_sum(
            [self._variables[term.variable] for term in listed], [term.coefficient for term in listed]
        )

    def _within(self, total: cp_model.LinearExpr, relation: Relation, constant: int) -> cp_model.Constraint:
        return self.model.add_linear_expression_in_domain(total, _domain(relation, constant))

    def _parts(self, condition: Linear | Compare) -> tuple[cp_model.LinearExpr, Relation, int]:
        """A condition as a sum, a relation and a constant."""
        if isinstance(condition, Linear):
            return self._sum(condition.terms), condition.relation, condition.constant
        variable = self._variables[condition.variable]
        if condition.other is not None:
            difference = cp_model.LinearExpr.weighted_sum([variable, self._variables[condition.other]], [1, -1])
            return difference, condition.relation, 0
        assert condition.value is not None
        return cp_model.LinearExpr.term(variable, 1), condition.relation, self._number(condition.value)

    def _literal(self, condition: Linear | Compare) -> cp_model.IntVar:
        """A new variable that is true if and only if the condition holds."""
        literal = self.model.new_bool_var("")
        total, relation, constant = self._parts(condition)
        self._within(total, relation, constant).only_enforce_if(literal)
        self._within(total, _NEGATED[relation], constant).only_enforce_if(literal.negated())
        return literal

    @singledispatchmethod
    def _add(self, constraint: object) -> None:
        raise TypeError(f"no model for {type(constraint).__name__}")

    @_add.register
    def _(self, constraint: AllDifferent) -> None:
        self.model.add_all_different([self._variables[name] for name in constraint.variables])

    @_add.register(Linear)
    @_add.register(Compare)
    def _(self, constraint: Linear | Compare) -> None:
        self._within(*self._parts(constraint))

    @_add.register
    def _(self, constraint: Implication) -> None:
        reasons = [self._literal(condition) for condition in constraint.when]
        for condition in constraint.then:
            self._within(*self._parts(condition)).only_enforce_if(reasons)

    @_add.register
    def _(self, constraint: AnyOf) -> None:
        self.model.add_bool_or([self._literal(condition) for condition in constraint.conditions])

    @_add.register
    def _(self, constraint: TableConstraint) -> None:
        variables = [self._variables[name] for name in constraint.variables]
        rows = [[self._number(value) for value in row] for row in constraint.rows]
        if constraint.forbidden:
            self.model.add_forbidden_assignments(variables, rows)
        else:
            self.model.add_allowed_assignments(variables, rows)

    @_add.register
    def _(self, constraint: Element) -> None:
        array = [self._variables[entry] if isinstance(entry, str) else entry for entry in constraint.array]
        self.model.add_element(self._variables[constraint.index], array, self._variables[constraint.target])

    @_add.register
    def _(self, constraint: Abs) -> None:
        self.model.add_abs_equality(self._variables[constraint.target], self._sum(constraint.terms))

    @_add.register
    def _(self, constraint: Min) -> None:
        variables = [self._variables[name] for name in constraint.variables]
        self.model.add_min_equality(self._variables[constraint.target], variables)

    @_add.register
    def _(self, constraint: Max) -> None:
        variables = [self._variables[name] for name in constraint.variables]
        self.model.add_max_equality(self._variables[constraint.target], variables)

    @_add.register
    def _(self, constraint: Count) -> None:
        literals = [
            self._literal(Compare(variable=name, relation="==", value=constraint.value))
            for name in constraint.variables
        ]
        total = cp_model.LinearExpr.weighted_sum(literals, [1] * len(literals))
        self._within(total, constraint.relation, constraint.constant)

    @_add.register
    def _(self, constraint: Cumulative) -> None:
        intervals = [
            self.model.new_fixed_size_interval_var(self._variables[activity.start], activity.duration, "")
            for activity in constraint.activities
        ]
        demands = [activity.demand for activity in constraint.activities]
        self.model.add_cumulative(intervals, demands, constraint.capacity)


def _domain(relation: Relation, constant: int) -> cp_model.Domain:
    """The whole numbers that stand in the relation to the constant."""
    lowest, highest = cp_model.INT_MIN, cp_model.INT_MAX
    intervals: Mapping[Relation, list[list[int]]] = {
        "==": [[constant, constant]],
        "!=": [[lowest, constant - 1], [constant + 1, highest]],
        "<": [[lowest, constant - 1]],
        "<=": [[lowest, constant]],
        ">": [[constant + 1, highest]],
        ">=": [[constant, highest]],
    }
    return cp_model.Domain.from_intervals(intervals[relation])
