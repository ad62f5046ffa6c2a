"""What a policy would have scored and cost on questions whose outcomes are known for every arm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...errors import UsageError
from ..arrays import Floats, Ints
from ..bootstrap import Interval, mean_interval
from ..policies.base import ArmPolicy
from ..policies.cascade import cascade_arm, cascade_outcomes
from ..tables.table import ABSTAIN, Arm, Stage, Table

__all__ = ["Simulation", "simulate", "with_cascades"]


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """A batch as a policy would have had it answered."""

    available: tuple[Arm, ...]
    """What it could choose from."""
    arms: Ints
    """(questions,): what it chose; numbers of `available`, or `ABSTAIN`."""
    scores: Floats
    """(questions,): means over replicates; 0 where it abstained."""
    costs: Floats
    """(questions,): means over replicates, probes included."""
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
    def abstained(self) -> float:
        """The share of questions without an arm."""
        return float((self.arms == ABSTAIN).mean())

    @property
    def score(self) -> Interval:
        """The mean score with its 95 % bootstrap interval over questions."""
        return mean_interval(self.scores, seed=self.seed)


def simulate(policy: ArmPolicy, table: Table, budget: float, *, seed: int = 0) -> Simulation:
    """Lets a policy plan for all questions of a table at once, and looks up what came of it.

    The plan is carried out as it is, so that its own forecasts are what is judged: costs that were foreseen too low
    go above the budget here. `serve_on_table` does the same under a hard cap.

    Args:
        policy: its arms are arms of the table, or cascades of these.
        table: what every arm scored and cost.
        budget: for all questions together, in the unit of the table.
        seed: of the intervals.

    Raises:
        UsageError: the table lacks an arm or the probe of the policy.
    """
    known = {arm.name for arm in table.arms}
    table = with_cascades(table, [arm.stages for arm in policy.arms if arm.stages and arm.name not in known])
    columns = np.array([table.arm(arm.name) for arm in policy.arms], np.intp)
    assignment = policy.assign(table.batch(), budget)
    everyone, answered = np.arange(len(table.questions)), assignment.arms != ABSTAIN
    taken = columns[assignment.arms]
    looks = next((probe.costs for probe in table.probes if probe.name == policy.probe), 0.0)
    return Simulation(
        available=policy.arms,
        arms=assignment.arms,
        scores=np.where(answered, table.mean_scores[everyone, taken], 0.0),
        costs=np.where(answered, table.mean_costs[everyone, taken], 0.0) + looks,
        predicted=float(assignment.expected.sum()),
        budget=budget,
        seed=seed,
    )


def with_cascades(table: Table, cascades: Iterable[tuple[Stage, ...]]) -> Table:
    """The table with cascades as further arms.

    A cascade asks its stages one after the other until one is sure enough; it scores what that one scored, costs what
    all that were asked cost, and is as sure as the one that answered.

    Raises:
        UsageError: the table has no confidences, or lacks an arm.
    """
    cascades = list(cascades)
    if not cascades:
        return table
    if table.confidences is None:
        raise UsageError("cascades need how sure each arm was of its answer, and the table has no confidences")
    outcomes = [cascade_outcomes(table, stages) for stages in cascades]
    return replace(
        table,
        arms=(*table.arms, *(cascade_arm(stages) for stages in cascades)),
        scores=np.concatenate([table.scores, *(scores[:, None] for scores, _ in outcomes)], axis=1),
        costs=np.concatenate([table.costs, *(costs[:, None] for _, costs in outcomes)], axis=1),
        confidences=np.concatenate([table.confidences, *(_sure(table, stages) for stages in cascades)], axis=1),
    )


def _sure(table: Table, stages: Iterable[Stage]) -> Floats:
    """(questions, 1, replicates): the confidence of the stage that answered."""
    assert table.confidences is not None
    sure, asking = np.zeros_like(table.confidences[:, 0]), np.ones(table.confidences[:, 0].shape, bool)
    for stage in stages:
        said = table.confidences[:, table.arm(stage.arm)]
        sure = np.where(asking, said, sure)
        asking = asking & ~(said >= stage.sure)
    return sure[:, None]
