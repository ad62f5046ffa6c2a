"""Which optional edges are worth their tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...errors import PlanError, UsageError
from ...graphs.plan import Plan
from ...graphs.space import Space
from ..arrays import Floats
from ..bootstrap import Interval, resample_weights
from ..finding import Finding
from ..search.base import Proposal
from ..search.measurement import Measurement
from .edge_sampling import EdgeSampler

__all__ = ["MOST_ENUMERATED", "EdgeReport", "EdgeWorth", "Measure", "SamplingEffort", "search_edges"]

Measure = Callable[[Sequence[Proposal]], Awaitable[Sequence[Measurement]]]
"""Measures plans on the first tasks of a common order, as `Evaluator.measure` does on one part of a dev set."""

MOST_ENUMERATED = 10
"""With more optional edges than this, choices of them are sampled and not listed."""
_DRAWS = 2000


class EdgeWorth(Finding):
    """What an optional edge is worth beside the edges that were kept, per task; figures are paired over the tasks."""

    edge: str
    """As plans write it: `a->b`."""
    kept: bool
    gain: Interval
    """Of score, with the edge less without it."""
    cost: Interval
    """Of cost in the unit of the cap; for an edge that was cut, what it would have cost."""


class EdgeReport(Finding):
    """Which optional edges are worth their cost, around the best plan of the search."""

    edges: tuple[EdgeWorth, ...]
    """Those that were kept first; those that make no difference beside them count as cut."""
    method: Literal["enumeration", "sampling"]
    price: float
    """Of a unit of cost, in score."""
    tasks: int
    """How many tasks every plan was measured on."""
    plans: int
    """How many different choices of edges were measured."""


@dataclass(frozen=True, slots=True)
class SamplingEffort:
    """How long choices of edges are sampled, where they are too many to be listed."""

    batch: int = 16
    """Choices drawn between two steps of the probabilities, at least 2."""
    steps: int = 200
    """The most steps."""
    plans: int = 1_000
    """After so many different plans sampling ends."""


async def search_edges(
    space: Space,
    measure: Measure,
    *,
    tasks: int,
    price: float,
    values: Mapping[str, Any] | None = None,
    seed: int = 0,
    effort: SamplingEffort | None = None,
) -> tuple[Plan, EdgeReport]:
    """Finds the optional edges that are worth their tokens, at fixed knobs.

    Up to `MOST_ENUMERATED` optional edges, every choice of them is measured; where their calls are in the cache, that
    pays nothing. With more, choices are sampled from probabilities that learn (see `EdgeSampler`) until all are
    decided or the effort is used up. From the best choice on, single edges are switched, compared on the same tasks:

    - an edge stays only if its removal hurts at the 95 % interval, or saves nothing. Removal hurts where
      score - price x cost falls against the plan with it, or against the best choice of the first step: small losses
      must not add up. An edge whose removal helps at the interval goes even where that saves nothing.
    - an edge that is off is switched on, with those that it needs, only if that helps at the interval.

    Args:
        space: the plans; nothing outside it is proposed, so no cycle and no plan whose final node gets no input.
        measure: measures plans on the first tasks of a common order.
        tasks: how many.
        price: of a unit of cost, in score.
        values: of open knobs, also for parts that only some choices leave in; a knob's first value where left out.
        seed: of the samples and the intervals.
        effort: how long to sample.

    Returns:
        The plan with the kept edges on, and what each edge is worth.

    Raises:
        UsageError: there are no tasks, or the price is negative.
        SpendExhausted: as `measure` raises it.
    """
    if tasks < 1 or not 0 <= price < np.inf:
        raise UsageError(f"edges need at least one task and a price of at least 0, not {tasks} tasks at {price}")
    desk = _Desk(space, measure, tasks, price, values or {}, seed)
    enumerated = len(space.optional_edges) <= MOST_ENUMERATED
    start = await (_best_of_all(desk) if enumerated else _best_sampled(desk, effort or SamplingEffort()))
    plan = await _switched(desk, start)
    edges = [await _worth(desk, plan, edge) for edge in space.optional_edges]
    return plan, EdgeReport(
        edges=tuple(sorted(edges, key=lambda worth: not worth.kept)),
        method="enumeration" if enumerated else "sampling",
        price=price,
        tasks=tasks,
        plans=desk.plans,
    )


@dataclass(frozen=True, slots=True)
class _Difference:
    """One plan against another, a task."""

    utility: Interval
    score: Interval
    cost: Interval


class _Desk:
    """Makes plans from choices of edges, and measures each plan once."""

    def __init__(
        self, space: Space, measure: Measure, tasks: int, price: float, values: Mapping[str, Any], seed: int
    ) -> None:
        self.space = space
        self.seed = seed
        self._measure = measure
        self._tasks = tasks
        self._price = price
        self._values = values
        self._known: dict[str, Measurement] = {}
        self._weights: Floats | None = None

    @property
    def plans(self) -> int:
        """How many plans were measured."""
        return len(self._known)

    def plan(self, edges: Collection[str]) -> Plan | None:
        """The plan with these optional edges on; None where its final node would get no input."""
        try:
            self.space.active(edges)
        except PlanError:
            return None
        return self.space.plan(self._values, edges)

    def without(self, plan: Plan, edge: str) -> Plan | None:
        """The plan with one edge less, and without what that leaves cut off."""
        return self.plan([each for each in plan.edges if each != edge])

    def beside(self, plan: Plan, edge: str) -> Plan | None:
        """The plan with one edge more, and with the fewest others that this one needs."""
        near = [other.edges for other in self.space.neighbours(plan) if {*plan.edges, edge} <= set(other.edges)]
        return self.plan(min(near, key=len)) if near else None

    async def measured(self, plans: Sequence[Plan]) -> list[Measurement]:
        """The measurements of plans, in their order."""
        missing = {plan.hash: plan for plan in plans if plan.hash not in self._known}
        if missing:
            for found in await self._measure([Proposal(plan, self._tasks) for plan in missing.values()]):
                self._known[found.plan.hash] = found
        return [self._known[plan.hash] for plan in plans]

    async def utilities(self, plans: Sequence[Plan]) -> list[float]:
        """Mean score - price x cost of plans."""
        return [found.score - self._price * found.cost for found in await self.measured(plans)]

    async def best(self, plans: Sequence[Plan]) -> Plan:
        """The plan with the highest utility; of equals one with the fewest edges."""
        utilities = await self.utilities(plans)
        ranked = zip(plans, utilities, strict=True)
        return max(ranked, key=lambda each: (each[1], -len(each[0].edges), each[0].hash))[0]

    async def difference(self, plan: Plan, other: Plan | None) -> _Difference:
        """The plan less the other; None stands for no answer at no cost."""
        (first,) = await self.measured([plan])
        score, cost = first.scores, first.costs
        if other is not None:
            (second,) = await self.measured([other])
            score, cost = score - second.scores, cost - second.costs
        intervals = (self._interval(values) for values in (score - self._price * cost, score, cost))
        return _Difference(*intervals)

    def _interval(self, values: Floats) -> Interval:
        if self._weights is None:
            self._weights = resample_weights(len(values), _DRAWS, self.seed)
        low, high = np.quantile(self._weights @ values, [0.025, 0.975])
        return Interval(float(values.mean()), float(low), float(high))


async def _best_of_all(desk: _Desk) -> Plan:
    plans = [desk.plan(active.optional) for active in desk.space.arrangements]
    return await desk.best([plan for plan in plans if plan is not None])


async def _best_sampled(desk: _Desk, effort: SamplingEffort) -> Plan:
    """The choice that sampling settles on, else the best that it met."""
    edges = desk.space.optional_edges
    sampler = EdgeSampler(len(edges), seed=desk.seed)
    seen: dict[str, Plan] = {}
    for _ in range(effort.steps):
        drawn = sampler.draw(effort.batch)
        plans = [desk.plan([edge for edge, on in zip(edges, choice, strict=True) if on]) for choice in drawn]
        possible = [plan for plan in plans if plan is not None]
        if possible:
            utilities = await desk.utilities(possible)
            seen |= {plan.hash: plan for plan in possible}
            # A choice that leaves the final node without input counts as the worst beside it, so that it is avoided.
            found = iter(utilities)
            sampler.learn(drawn, np.array([min(utilities) if plan is None else next(found) for plan in plans]))
        if sampler.settled or len(seen) >= effort.plans:
            break
    likely = desk.plan([edge for edge, chance in zip(edges, sampler.probabilities, strict=True) if chance > 0.5])
    return likely or await desk.best(list(seen.values()) or [desk.space.default()])


async def _switched(desk: _Desk, start: Plan) -> Plan:
    """Switches single edges, the one that pays most first, until each is where it belongs."""
    plan, visited = start, {start.hash}
    while True:
        steps: list[tuple[float, Plan]] = []
        for edge in desk.space.optional_edges:
            other = desk.without(plan, edge) if edge in plan.edges else desk.beside(plan, edge)
            if other is None or other.hash in visited:
                continue
            change = (await desk.difference(other, plan)).utility
            goes = edge in plan.edges and not await _stays(desk, plan, other, start)
            if goes or (edge not in plan.edges and change.low > 0):
                steps.append((change.mean, other))
        if not steps:
            return plan
        _, plan = max(steps, key=lambda step: (step[0], -len(step[1].edges), step[1].hash))
        visited.add(plan.hash)


async def _stays(desk: _Desk, plan: Plan, without: Plan, start: Plan) -> bool:
    """Whether an edge that is on stays, by what the plan is without it."""
    worth = await desk.difference(plan, without)
    if worth.utility.high < 0:
        return False
    adds_up = (await desk.difference(start, without)).utility.low > 0
    return worth.utility.low > 0 or adds_up or worth.cost.mean <= 0


async def _worth(desk: _Desk, plan: Plan, edge: str) -> EdgeWorth:
    kept = edge in plan.edges
    more, less = (plan, desk.without(plan, edge)) if kept else (desk.beside(plan, edge) or plan, plan)
    worth = await desk.difference(more, less)
    return EdgeWorth(edge=edge, kept=kept, gain=worth.score, cost=worth.cost)
