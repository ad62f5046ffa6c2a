"""Reading a problem, solving it with CP-SAT and checking the solution, inside the worker."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ortools.sat.python import cp_model

from ...errors import ProblemError
from ...records.text import single_spaced
from .answer import print_answer
from .build import SolverModel
from .check import violations
from .schema import parse_problem

__all__ = ["solve_text"]

_EFFORT_PER_SECOND = 0.2
"""Units of the solver's own measure of effort per second allowed; one took 1.3 to 3 s on a slow core in 2026."""


def solve_text(text: str, seconds: float, *, memory: int) -> Mapping[str, object]:
    """Solves a problem in at most about `seconds` and says how it ended.

    One thread and a fixed seed make the answer a function of the problem. The solver's own measure of effort ends a
    search at the same point everywhere ("unknown"); only a machine too slow for that ends it by the clock ("timeout").

    Returns:
        `status`, a value of `Status` (ok, unsat, unknown, timeout, parse_error), `reason`, and of what is ok the
        `assignment`, and the `answer` as the problem asks for it to be printed.
    """
    try:
        problem = parse_problem(text)
    except ProblemError as error:
        return {"status": "parse_error", "reason": str(error)}
    started = time.monotonic()
    built = SolverModel(problem)
    invalid = built.model.validate()
    if invalid:
        return {"status": "unknown", "reason": f"the solver refuses the problem: {single_spaced(invalid)[:300]}"}
    solver = _solver(seconds, memory)
    status = solver.solve(built.model)
    if status == cp_model.INFEASIBLE:
        return {"status": "unsat", "reason": "the constraints contradict each other"}
    found = built.read(solver) if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else {}
    if status != cp_model.OPTIMAL:
        late = time.monotonic() - started >= 0.95 * seconds
        reason = "a solution was found, but not proved best" if found else "no solution was found"
        limit = f"in {seconds:g} s" if late else "within the limit of effort"
        return {"status": "timeout" if late else "unknown", "reason": f"{reason} {limit}"}
    # Nothing of the solver is believed that does not also satisfy the problem as Python reads it.
    faults = violations(problem, found)
    if faults:
        return {"status": "unknown", "reason": f"the solver's solution fails the check: {faults[0]}"}
    return {"status": "ok", "assignment": found, "answer": print_answer(problem, found)}


def _solver(seconds: float, memory: int) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.max_deterministic_time = seconds * _EFFORT_PER_SECOND
    solver.parameters.max_memory_in_mb = memory // (2 * 1024 * 1024)
    return solver
