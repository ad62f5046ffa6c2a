"""What measuring plans may pay, before anything is known of them but their graph."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace

from ...budgets.cap import in_unit
from ...graphs.blueprint import HasBlueprint
from ...graphs.bounds import Bounds
from ...graphs.finishing import direct_call
from ...graphs.judging import as_request
from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space
from ...models.metered import call_bound
from ...models.pool import Pool
from ...nodes.prompts import dialect_named
from ...records.rows import Unit
from ...records.task import Task
from ...tasks.judge import Judge
from ..search.base import Proposal
from ..search.gate_rates import GateRates
from ..search.measurement import Measurement
from ..search.shared_calls import thresholds_apart

__all__ = ["CostForecast", "verdict_forecast"]

_LISTED = 256


class CostForecast:
    """Guesses what plans charge and what measuring them pays.

    A node's calls on a task are guessed as the geometric mean of the least they can charge, one short call, and the
    most, their bound. Two plans that agree on a node and on everything upstream of it send the same requests, and
    those are paid once. A node behind a gate counts on the share of the tasks on which it is expected to run; where
    nothing is known, on all.

    Args:
        graph: that the plans belong to.
        pool: the models.
        task: a typical one.
        unit: of the figures.
        rates: how often gates open, as far as it is known.
    """

    def __init__(self, graph: HasBlueprint, pool: Pool, task: Task, unit: Unit, rates: GateRates | None = None) -> None:
        self._graph = graph.blueprint
        self._space = Space(self._graph, pool)
        self._rates = rates or GateRates(self._space)
        self._task = task
        self._unit = unit
        self._bounds = Bounds(self._space, unit)
        request, _ = direct_call(task, pool, dialect_named, unit)
        least = call_bound(pool.model(request.model), replace(request, max_output_tokens=1))
        self._least = in_unit(least, unit)

    def knowing(self, rates: GateRates) -> CostForecast:
        """The same forecast, with what is known of the gates by now."""
        other = copy(self)
        other._rates = rates
        return other

    def charged(self, plan: Plan) -> float:
        """What a run of the plan may charge."""
        return sum(self._nodes(plan).values())

    def paid(self, proposals: Sequence[Proposal]) -> float:
        """What measuring the proposals may pay, if none of their calls has been made before."""
        dearest: dict[tuple[str, frozenset[tuple[str, str]]], float] = defaultdict(float)
        for proposal in proposals:
            for node, charged in self._nodes(proposal.plan).items():
                key = (node, self._settings(proposal.plan, node))
                dearest[key] = max(dearest[key], charged * proposal.tasks)
        return sum(dearest.values())

    def uncached(self, measured: Iterable[Measurement]) -> float:
        """What measuring plans would have paid with nothing in the cache: what they charged, shared calls once."""
        found = list(measured)
        once = self.paid([Proposal(each.plan, len(each.outcomes)) for each in found])
        each_time = sum(self.charged(each.plan) * len(each.outcomes) for each in found)
        return sum(float(each.costs.sum()) for each in found) * once / each_time if each_time else 0.0

    def exhausted(self, space: Space, tasks: int) -> float:
        """What it may pay to measure all plans of a space; infinite where there are too many to look at each."""
        if space.size > _LISTED:
            return math.inf
        return self.paid([Proposal(plan, tasks) for plan in space])

    def _nodes(self, plan: Plan) -> dict[str, float]:
        most: dict[str, float] = defaultdict(float)
        for term in self._bounds.of(plan, self._task).terms:
            if term.node:
                most[term.node] += in_unit(term.amount, self._unit)
        shares = self._rates.shares(self._rates.route(plan))
        return {node: math.sqrt(self._least * value) * shares[node] for node, value in most.items()}

    def _settings(self, plan: Plan, node: str) -> frozenset[tuple[str, str]]:
        """What decides the node's requests: the knobs and edges of the node and of everything upstream."""
        around = self._graph.upstream[node]
        apart = thresholds_apart(self._space, plan, node)
        knobs = {
            (name, repr(value))
            for name, value in plan.values.items()
            if KnobName.of(name).reader in around and name not in apart
        }
        return frozenset(knobs | {(edge, "on") for edge in plan.edges if edge.partition("->")[2] in around})


def verdict_forecast(judge: Judge, pool: Pool, task: Task, unit: Unit) -> float:
    """What a verdict may charge: of each draw the geometric mean of the least, one token, and its bound.

    Args:
        judge: is asked.
        pool: has its model.
        task: a typical one; an answer is taken to be as long as its gold answer, or as its question.
        unit: of the figure.
    """
    model = pool.model(judge.model)
    requests = [as_request(asked, model.card) for asked in judge.requests(task, task.gold or task.question)]
    bounds = [(call_bound(model, each), call_bound(model, replace(each, max_output_tokens=1))) for each in requests]
    return sum(math.sqrt(in_unit(most, unit) * in_unit(least, unit)) for most, least in bounds)
