"""Search rounds against reasoning depth: what each way of spending the same tokens scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...graphs.resolved import resolve
from ...graphs.space import Space
from ...nodes.depth import NO_REASONING, Depth
from ..bootstrap import mean_interval
from ..finding import Finding
from ..search.measurement import Measurement

__all__ = ["IsoCostLevel", "RoundsAgainstDepth", "iso_cost", "way_of"]

_LEVELS = 3
_ROUNDING = 1e-9


class RoundsAgainstDepth(Finding):
    """The best plan with some number of search rounds at a level of cost."""

    rounds: int
    """The most rounds of its nodes together; 0 where nothing is looked up."""
    depth: str
    """Of its deepest node."""
    score: float
    """Mean over the tasks."""
    low: float
    """Lower end of the 95 % bootstrap interval of the mean."""
    high: float
    cost: float
    """Charged a task."""
    plan_hash: str


class IsoCostLevel(Finding):
    """Search rounds against reasoning depth at one level of cost, on the fit part."""

    level: float
    """The most that a task may cost on average."""
    ways: tuple[RoundsAgainstDepth, ...]
    """Fewest rounds first; numbers of rounds of which no plan is as cheap are missing."""


def way_of(measurement: Measurement, space: Space) -> tuple[int, Depth]:
    """How many search rounds a plan may make, and how far its deepest node reasons, the effort of its model included.

    Raises:
        PlanError, UnknownName: the plan does not belong to the space's graph.
    """
    steps = resolve(space, measurement.plan).steps.values()
    told = (step.node.depth_at(step.kind.depth(step.node), space.pool.card) for step in steps)
    depths = [depth for depth in told if depth is not None]
    return sum(step.kind.repeats(step.node) for step in steps), max([NO_REASONING, *depths])


def iso_cost(measured: Sequence[Measurement], space: Space, *, tasks: int, seed: int = 0) -> tuple[IsoCostLevel, ...]:
    """Score at equal cost for every number of search rounds, each at the reasoning depth that serves it best.

    The levels of cost lie, in equal ratios, between the cheapest plan that searches and the dearest plan that any
    number of rounds needs for its best score. Whether another search round or deeper reasoning is the better buy is
    read along a level: same cost, other rounds.

    Args:
        measured: plans of one graph on the same tasks in the same order, or on beginnings of the same series.
        space: the graph's plans.
        tasks: how many tasks to compare on, from the first; plans that were measured on fewer are left out.
        seed: of the intervals.

    Returns:
        Nothing unless the plans differ in both.

    Raises:
        PlanError, UnknownName: a plan does not belong to the graph.
    """
    groups: dict[int, list[tuple[Depth, Measurement]]] = {}
    for measurement in (m.first(tasks) for m in measured if len(m.outcomes) >= tasks):
        rounds, depth = way_of(measurement, space)
        groups.setdefault(rounds, []).append((depth, measurement))
    if min(len(groups), len({depth for group in groups.values() for depth, _ in group})) < 2:
        return ()
    return tuple(IsoCostLevel(level=level, ways=tuple(_ways(groups, level, seed))) for level in _levels(groups))


def _levels(groups: Mapping[int, Sequence[tuple[Depth, Measurement]]]) -> list[float]:
    low = min(m.cost for rounds, group in groups.items() for _, m in group if rounds)
    high = max(max(group, key=lambda each: (each[1].score, -each[1].cost))[1].cost for group in groups.values())
    if high <= low or low <= 0:
        return [max(low, high)]
    inner = np.geomspace(low, high, _LEVELS).tolist()
    return [low, *(float(level) for level in inner[1:-1]), high]  # the ends without the rounding of logarithms


def _ways(
    groups: Mapping[int, Sequence[tuple[Depth, Measurement]]], level: float, seed: int
) -> Iterator[RoundsAgainstDepth]:
    for rounds, group in sorted(groups.items()):
        cheap = [(depth, m) for depth, m in group if m.cost <= level * (1 + _ROUNDING)]
        if cheap:
            depth, best = max(cheap, key=lambda each: (each[1].score, -each[1].cost, each[1].plan.hash))
            score = mean_interval(best.scores, seed=seed)
            yield RoundsAgainstDepth(
                rounds=rounds,
                depth=str(depth),
                score=score.mean,
                low=score.low,
                high=score.high,
                cost=best.cost,
                plan_hash=best.plan.hash,
            )
