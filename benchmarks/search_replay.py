"""Replays a search on the grid: what it measures is looked up, and what it would have paid is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from apportion.optimizers.arrays import Bools
from apportion.optimizers.search.base import Optimizer, ProblemSpec, Proposal
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.records.status import Status
from benchmarks.search_grid import Grid

__all__ = ["Found", "search"]


@dataclass(frozen=True, slots=True)
class Found:
    """How a search ended."""

    plan: int
    """The number of the plan that it recommends: the first of its survivors."""
    paid: float
    """In weighted tokens; calls that other plans have made already are not paid again."""
    plans: int
    """How many it measured."""
    runs: int
    """How many tasks they met, all told."""


def search(grid: Grid, make: Callable[[ProblemSpec], Optimizer], spec: ProblemSpec, spend: float) -> Found:
    """Lets an optimizer search until it is done, or until what it asks for can no longer be paid.

    As in a study, plans are measured in the order in which they were proposed, and one that cannot be paid as a whole
    is left out and ends the search.
    """
    books = _Books(grid, spend)
    optimizer = make(spec)
    while proposals := optimizer.propose(books.measured):
        if not all(books.measure(proposal) for proposal in proposals):
            break
    survivors = optimizer.survivors(books.measured)
    runs = sum(len(measurement.outcomes) for measurement in books.measured.values())
    return Found(grid.numbers[survivors[0].hash], books.paid, len(books.measured), runs)


class _Books:
    """What a search has measured and paid."""

    def __init__(self, grid: Grid, spend: float) -> None:
        self._grid = grid
        self._spend = spend
        self._made: Bools = np.zeros(len(grid.prices), np.bool_)
        self.measured: dict[str, Measurement] = {}
        self.paid = 0.0

    def measure(self, proposal: Proposal) -> bool:
        """Runs a plan on the tasks that it has not met; False where that cannot be paid."""
        grid, plan = self._grid, self._grid.numbers[proposal.plan.hash]
        known = self.measured.get(proposal.plan.hash, Measurement(proposal.plan, ()))
        start, stop = len(known.outcomes), proposal.tasks
        wanted = grid.runs(plan, start, stop)
        wanted = np.unique(wanted[~self._made[wanted]])
        price = float(grid.prices[wanted].sum())
        if self.paid + price > self._spend:
            return False
        self._made[wanted] = True
        self.paid += price
        scores, costs = grid.scores[plan, start:stop].tolist(), grid.costs[plan, start:stop].tolist()
        added = (
            Outcome(f"task {start + place}", Status.OK, score, cost, 0.0)
            for place, (score, cost) in enumerate(zip(scores, costs, strict=True))
        )
        self.measured[proposal.plan.hash] = Measurement(proposal.plan, (*known.outcomes, *added))
        return True
