"""What was seen of a plan on some tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...budgets.cap import in_unit
from ...graphs.gate import GateReading
from ...graphs.plan import Plan
from ...records.status import Status
from ...records.usage import ZERO, Amount
from ..arrays import Floats
from ..frontier import undominated

__all__ = ["Measurement", "Outcome", "frontier"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One task under one plan."""

    task_id: str
    status: Status
    score: float
    """In [0, 1]; a failure scores 0."""
    cost: float
    """Charged, in the unit of the cap."""
    lost: float
    """Lost, in the unit of the cap."""
    charged: Amount = ZERO
    """The same in every unit."""
    gates: tuple[GateReading, ...] = ()
    """What the gates of the run read."""
    abstained: bool = False
    """Whether the answer says that there is none."""
    unscored: bool = False
    """Whether there is an answer, and a judge gave no verdict on it: the score of 0 says nothing of it."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A plan on a series of tasks, in the order in which they were run."""

    plan: Plan
    outcomes: tuple[Outcome, ...]

    @property
    def scores(self) -> Floats:
        """Per task."""
        return np.array([o.score for o in self.outcomes], dtype=np.float64)

    def values(self, wrong_costs: float) -> Floats:
        """Per task: the score s of an answer as s - wrong_costs (1 - s), 0 where there is none; see `valued`."""
        silent = (o.status.failed or o.abstained or o.unscored for o in self.outcomes)
        answered = ~np.fromiter(silent, bool, len(self.outcomes))
        return np.where(answered, self.scores - wrong_costs * (1 - self.scores), self.scores)

    @property
    def costs(self) -> Floats:
        """Charged per task, in the unit of the cap."""
        return np.array([o.cost for o in self.outcomes], dtype=np.float64)

    @property
    def burdens(self) -> Floats:
        """Charged and lost per task: what counts against a cap."""
        return np.array([o.cost + o.lost for o in self.outcomes], dtype=np.float64)

    @property
    def score(self) -> float:
        """Mean over the tasks."""
        return float(self.scores.mean())

    @property
    def cost(self) -> float:
        """Mean charged per task."""
        return float(self.costs.mean())

    @property
    def charged(self) -> Amount:
        """The sum of what was charged, in every unit."""
        return sum((o.charged for o in self.outcomes), ZERO)

    @property
    def lost(self) -> float:
        """Mean lost per task."""
        return sum(o.lost for o in self.outcomes) / len(self.outcomes)

    @property
    def usd(self) -> float:
        """Mean charged per task, in dollars."""
        return in_unit(self.charged, "usd") / len(self.outcomes)

    @property
    def coverage(self) -> float:
        """The share of tasks with an answer to grade."""
        return sum(not o.status.failed for o in self.outcomes) / len(self.outcomes)

    @property
    def unscored(self) -> int:
        """How many answers a judge gave no verdict on."""
        return sum(o.unscored for o in self.outcomes)

    def first(self, tasks: int) -> Measurement:
        """The beginning of the series."""
        return Measurement(self.plan, self.outcomes[:tasks])

    def then(self, other: Measurement) -> Measurement:
        """This series followed by another of the same plan."""
        return Measurement(self.plan, self.outcomes + other.outcomes)


def frontier(measured: list[Measurement]) -> list[Measurement]:
    """The plans that no other beats in score without costing more, cheapest first; one of several that tie."""
    ordered = sorted(measured, key=lambda m: m.plan.hash)
    costs, scores = np.array([m.cost for m in ordered]), np.array([m.score for m in ordered])
    return [ordered[i] for i in undominated(costs, scores)]
