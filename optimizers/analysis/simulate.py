"""What a policy would have scored and cost on questions whose outcomes are known for every arm."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Floats, Ints
from ..bootstrap import Interval, mean_interval
from ..policies.base import ArmPolicy
from ..policies.sequences import followed
from ..policies.stratified import wrong_costs_of
from ..tables.table import UNANSWERED, Arm, Table
from ..tables.value import Shares, valued

__all__ = ["Simulation", "simulate"]


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """A batch as a policy would have had it answered."""

    available: tuple[Arm, ...]
    """What it could choose from."""
    arms: Ints
    """(questions,): what it chose, of a sequence the first; numbers of `available`, or `UNANSWERED`."""
    scores: Floats
    """(questions,): means over replicates; 0 where it is unanswered. Values where wrong answers cost something."""
    costs: Floats
    """(questions,): means over replicates, probes included."""
    shares: Shares
    """What became of the questions."""
    predicted: float
    """What it thought that all questions would cost together."""
    budget: float
    """For all questions together."""
    seed: int

    @property
    def cost(self) -> float:
        """Of all questions together, as it was."""
        return float(self.costs.sum())

    @property
    def unanswered(self) -> float:
        """The share of questions without an arm."""
        return float((self.arms == UNANSWERED).mean())

    @property
    def score(self) -> Interval:
        """The mean score with its 95 % bootstrap interval over questions."""
        return mean_interval(self.scores, seed=self.seed)


def simulate(
    policy: ArmPolicy, table: Table, budget: float, *, seed: int = 0, wrong_costs: float | None = None
) -> Simulation:
    """Lets a policy plan for all questions of a table at once, and looks up what came of it.

    The plan is carried out as it is, so that its own forecasts are what is judged: costs that were foreseen too low
    go above the budget here. `serve_on_table` does the same under a hard cap. A policy that decides after looking is
    asked after each arm of a question what comes next, see `SequentialPolicy`.

    Args:
        policy: its arms are arms of the table, or cascades of these.
        table: what every arm scored and cost.
        budget: for all questions together, in the unit of the table.
        seed: of the intervals.
        wrong_costs: what a wrong answer costs, see `valued`; what the policy was fitted with where left out.

    Raises:
        UsageError: the table lacks an arm or the probe of the policy, or the policy chooses an arm where it was not
            run, or what it says to ask next is no arm of its own.
    """
    table = valued(table, wrong_costs_of(policy) if wrong_costs is None else wrong_costs)
    assignment = policy.assign(table.batch(), budget)
    courses, replayed = followed(policy, table, assignment)
    looks = next((probe.costs for probe in table.probes if probe.name == policy.probe), 0.0)
    return Simulation(
        available=policy.arms,
        arms=assignment.arms,
        scores=courses.standing(replayed.scores).mean(axis=1),
        costs=courses.paid(replayed.costs).mean(axis=1) + looks,
        shares=Shares.of(replayed, courses.final),
        predicted=float(assignment.expected.sum()),
        budget=budget,
        seed=seed,
    )
