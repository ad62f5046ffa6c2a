"""Search rounds against reasoning depth: what each way of spending the same tokens scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import UsageError
from ...graphs.resolved import resolve
from ...graphs.space import Space
from ...nodes.depth import NO_REASONING, Depth
from ..bootstrap import Interval, mean_interval
from ..search.measurement import Measurement

__all__ = ["IsoCost", "SpentWay", "iso_cost", "way_of"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SpentWay:
    """The best of the plans with some number of search rounds that cost no more than a level."""

    rounds: int
    """The most rounds of its nodes together; 0 where nothing is looked up."""
    depth: Depth
    """Of its deepest node."""
    score: Interval
    """Mean over the tasks."""
    cost: float
    """Charged a task."""
    plan_hash: str


@dataclass(frozen=True, slots=True)
class IsoCost:
    """What is attainable at one level of cost, for each number of search rounds."""

    level: float
    """The most that a task may cost on average."""
    ways: tuple[SpentWay, ...]
    """Fewest rounds first; numbers of rounds of which no plan is as cheap are missing."""

    @property
    def best(self) -> SpentWay:
        """The way that scores most; of equals the one with the fewest rounds."""
        return max(self.ways, key=lambda way: (way.score.mean, -way.rounds))


def way_of(measurement: Measurement, space: Space) -> tuple[int, Depth]:
    """How many search rounds a plan may make, and how far its deepest node reasons.

    Raises:
        PlanError, UnknownName: the plan does not belong to the space's graph.
    """
    steps = resolve(space, measurement.plan).steps.values()
    depths = [depth for step in steps if (depth := step.kind.depth(step.node)) is not None]
    return sum(step.kind.repeats(step.node) for step in steps), max([NO_REASONING, *depths])


def iso_cost(
    measured: Sequence[Measurement], space: Space, *, levels: int = 3, tasks: int | None = None, seed: int = 0
) -> tuple[IsoCost, ...]:
    """Score at equal cost for every number of search rounds, each at the reasoning depth that serves it best.

    The levels of cost lie, in equal ratios, between the cheapest plan that searches and the dearest plan that any
    number of rounds needs for its best score; without a plan that searches, from the cheapest plan on. Whether
    another search round or deeper reasoning is the better buy is read along a level: same cost, other rounds.

    Args:
        measured: plans of one graph on the same tasks in the same order, or on beginnings of the same series.
        space: the graph's plans.
        levels: how many levels of cost.
        tasks: how many tasks to compare on, from the first; as many as all were measured on where left out. Plans that
            were measured on fewer are left out.
        seed: of the intervals.

    Raises:
        UsageError: no plan was measured on so many tasks.
        PlanError, UnknownName: a plan does not belong to the graph.
    """
    compared = tasks or min((len(m.outcomes) for m in measured), default=0)
    kept = [m.first(compared) for m in measured if compared and len(m.outcomes) >= compared]
    if not kept:
        raise UsageError(f"no plan was measured on {tasks or 1} tasks, so there is nothing to compare")
    groups: dict[int, list[tuple[Depth, Measurement]]] = {}
    for measurement in kept:
        rounds, depth = way_of(measurement, space)
        groups.setdefault(rounds, []).append((depth, measurement))
    return tuple(
        IsoCost(level, tuple(way for rounds in sorted(groups) if (way := _best(groups[rounds], rounds, level, seed))))
        for level in _levels(groups, levels)
    )


def _levels(groups: dict[int, list[tuple[Depth, Measurement]]], count: int) -> list[float]:
    searching = [m.cost for rounds, group in groups.items() for _, m in group if rounds]
    low = min(searching or [m.cost for group in groups.values() for _, m in group])
    high = max(max(group, key=lambda each: (each[1].score, -each[1].cost))[1].cost for group in groups.values())
    if count == 1 or high <= low or low <= 0:
        return [max(low, high)]
    inner = np.geomspace(low, high, count).tolist()
    return [low, *(float(level) for level in inner[1:-1]), high]  # the ends without the rounding of logarithms


def _best(group: list[tuple[Depth, Measurement]], rounds: int, level: float, seed: int) -> SpentWay | None:
    cheap = [(depth, m) for depth, m in group if m.cost <= level * (1 + _ROUNDING)]
    if not cheap:
        return None
    depth, best = max(cheap, key=lambda each: (each[1].score, -each[1].cost, each[1].plan.hash))
    return SpentWay(rounds, depth, mean_interval(best.scores, seed=seed), best.cost, best.plan.hash)
