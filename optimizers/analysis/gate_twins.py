"""The twins of a gated plan: the same plan with one gate always open, and with it always shut."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import PlanError
from ...graphs.active import Active
from ...graphs.gate import GATE
from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space
from ..arrays import Floats
from ..bootstrap import Interval, mean_interval
from ..search.measurement import Measurement

__all__ = ["GateTwins", "TwinDifferences", "twin_differences", "twins_of"]


@dataclass(frozen=True, slots=True)
class GateTwins:
    """The plans that a gate is compared with. They ask what the gated plan asks, so most of their calls are made."""

    open: Plan | None
    """The plan with the gate always open; None where the space has no such plan."""
    shut: Plan | None
    """The plan with the gate always shut: what it leads to is left out, and what is left reads the same."""

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Those that there are."""
        return tuple(plan for plan in (self.open, self.shut) if plan is not None)


@dataclass(frozen=True, slots=True)
class TwinDifferences:
    """A gated plan against its twins on the same questions with common draws."""

    brought: Interval | None
    """Its score less that of the always shut twin."""
    saved: Interval | None
    """The cost of the always open twin less its own."""
    lost: Interval | None
    """The score of the always open twin less its own."""
    n: int
    """On how many questions: the first ones on which it and every twin that ran were measured."""


def twins_of(space: Space, plan: Plan, edge: str) -> GateTwins:
    """The twins of a plan at one of its gates; its other gates stay as they are.

    Args:
        space: of the plan.
        plan: has the edge.
        edge: with a gate, `a->b`.
    """
    knob = str(KnobName(edge, GATE))
    opened = None
    if None in space.knobs.get(knob, ()) and plan.values.get(knob) is not None:
        opened = space.plan({**plan.values, knob: None}, plan.edges)
    return GateTwins(opened, _shut(space, plan, edge))


def twin_differences(
    gated: Measurement, opened: Measurement | None, shut: Measurement | None, seed: int
) -> TwinDifferences:
    """Compares question by question; a twin that did not run is compared with nothing.

    Args:
        gated: the plan.
        opened: its always open twin; None where it did not run.
        shut: its always shut twin.
        seed: of the intervals.
    """
    ran = [gated, *(each for each in (opened, shut) if each is not None)]
    known = [{outcome.task_id: outcome for outcome in each.outcomes} for each in ran]
    common = [task for task in known[0] if all(task in each for each in known)] if len(ran) > 1 else []
    if not common:
        return TwinDifferences(None, None, None, 0)

    def values(of: Measurement | None, what: str) -> Floats | None:
        if of is None:
            return None
        found = {outcome.task_id: getattr(outcome, what) for outcome in of.outcomes}
        return np.array([found[task] for task in common], dtype=np.float64)

    def more(first: Floats | None, second: Floats | None) -> Interval | None:
        return None if first is None or second is None else mean_interval(first - second, seed=seed)

    score, cost = values(gated, "score"), values(gated, "cost")
    return TwinDifferences(
        brought=more(score, values(shut, "score")),
        saved=more(values(opened, "cost"), cost),
        lost=more(values(opened, "score"), score),
        n=len(common),
    )


def _shut(space: Space, plan: Plan, edge: str) -> Plan | None:
    """Of the plans that leave out what the gate leads to and nothing else, the one with most optional edges."""
    active = space.active(plan.edges)
    behind = _silenced(active, edge)
    found = []
    for edges in _fewer(plan, edge, behind):
        try:
            left = space.active(edges)
        except PlanError:  # the final node would get no input
            continue
        if _reads_alike(active, left, edge, behind):
            found.append(space.plan(plan.values, edges))
    return max(found, key=lambda each: len(each.edges), default=None)


def _silenced(active: Active, edge: str) -> frozenset[str]:
    """The nodes that do not run where a gate is shut and all others are open."""
    runs: set[str] = set()
    for name in active.order:
        sources = active.sources[name]
        coming = any(source in runs and f"{source}->{name}" != edge for source in sources)
        if coming or not sources or name in active.blueprint.entries:
            runs.add(name)
    return active.names - runs


def _fewer(plan: Plan, edge: str, behind: Collection[str]) -> Iterator[list[str]]:
    """Choices of optional edges that may leave out what is behind a gate."""
    if edge in plan.edges:
        yield [each for each in plan.edges if each != edge]
    for one in plan.edges:
        yield [each for each in plan.edges if each != one]
    yield [each for each in plan.edges if each.partition("->")[0] not in behind]


def _reads_alike(active: Active, left: Active, edge: str, behind: Collection[str]) -> bool:
    """Whether what is left runs and reads as it does where the gate is shut."""
    if edge in {each.name for each in left.edges} or left.names & frozenset(behind):
        return False
    loops = {body.loop.name for body in active.bodies if not body.nodes & frozenset(behind)}
    if loops != {body.loop.name for body in left.bodies}:
        return False
    return all(
        set(left.sources[name]) == {s for s in active.sources[name] if s not in behind and f"{s}->{name}" != edge}
        for name in left.names
    )
