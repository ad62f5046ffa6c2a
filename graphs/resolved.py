"""A plan laid over its graph: what each node that runs needs to know, looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..nodes.base import Kind, Node
from ..nodes.knob import options
from ..records.message import Forward
from .active import Active
from .edges import Loop, round_bounds
from .gate import GATE, Gate, PinnedGate
from .knob_name import FORWARD, ROUNDS, KnobName
from .plan import Plan, plain
from .space import Space

__all__ = ["LoopRounds", "ResolvedPlan", "Step", "resolve"]


@dataclass(frozen=True, slots=True)
class LoopRounds:
    """A loop under a plan."""

    loop: Loop
    low: int
    """The fewest rounds."""
    high: int
    """The most rounds."""
    forward: Forward
    """What the next round sees of the check."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node under a plan."""

    name: str
    node: Node
    """With its knobs pinned."""
    kind: Kind[Any]
    sources: tuple[tuple[str, Forward], ...]
    """What it reads, in the order of the graph, and what of it is let through."""
    split: str | None = None
    """The node whose parts it runs once for each."""
    loop: LoopRounds | None = None
    """The loop in which it runs."""
    gates: Mapping[str, PinnedGate] = field(default_factory=dict)
    """By source, of the edges that have one."""
    entry: bool = False
    """Whether it runs also where all its edges are shut."""

    @property
    def models(self) -> tuple[str, ...]:
        """Those that it may call, each once."""
        return self.kind.called_by(self.node)

    @property
    def most_parts(self) -> int:
        """The most parts that it makes of a question."""
        return self.kind.most_parts(self.node)

    @property
    def begins_round(self) -> bool:
        """Whether it is the first node of its loop, the one that sees what the check said."""
        return self.loop is not None and self.loop.loop.solve == self.name

    @property
    def ends_round(self) -> bool:
        """Whether it is the last node of its loop, the check, which remembers what it said of the round before."""
        return self.loop is not None and self.loop.loop.check == self.name


@dataclass(frozen=True, slots=True)
class ResolvedPlan:
    """All that a run of a plan needs to know of its graph."""

    plan: Plan
    active: Active
    steps: Mapping[str, Step]
    """In topological order."""
    rounds: Mapping[str, LoopRounds]
    """By the name of the loop."""


def resolve(space: Space, plan: Plan) -> ResolvedPlan:
    """Lays a plan over its graph.

    Raises:
        PlanError: the plan was made for another graph, lacks a value, or has one that its knob does not admit.
        UnknownName: it sets a knob or an edge that the graph does not have.
    """
    plan = space.canonical(plan)
    active = space.active(plan.edges)
    forward = {edge.name: _forward(plan, edge.name, edge.forward) for edge in active.edges}
    rounds = {}
    for body in active.bodies:
        loop = body.loop
        values = {str(plain(value)): value for value in options(loop.rounds)}
        chosen = plan.values.get(str(KnobName(loop.name, ROUNDS)), plain(options(loop.rounds)[0]))
        low, high = round_bounds(values[str(chosen)], loop.name)
        rounds[loop.name] = LoopRounds(loop, low, high, _forward(plan, loop.name, loop.forward))
    steps = {}
    for name in active.order:
        node = space.pinned(plan, name)
        body_of = active.body_of.get(name)
        steps[name] = Step(
            name=name,
            node=node,
            kind=space.graph.kinds[node.kind],
            sources=tuple((source, forward[f"{source}->{name}"]) for source in active.sources[name]),
            split=active.split_of.get(name),
            loop=None if body_of is None else rounds[body_of.loop.name],
            gates={
                edge.source: edge.gate.pinned(_threshold(plan, edge.name, edge.gate))
                for edge in active.edges
                if edge.gate is not None and edge.target == name
            },
            entry=name in space.graph.entries,
        )
    return ResolvedPlan(plan, active, steps, rounds)


def _threshold(plan: Plan, edge: str, gate: Gate) -> float | None:
    first = gate.thresholds[0] if gate.thresholds else None
    chosen: float | None = plan.values.get(str(KnobName(edge, GATE)), first)
    return chosen


def _forward(plan: Plan, name: str, forward: Any) -> Forward:
    return Forward(plan.values.get(str(KnobName(name, FORWARD)), options(forward)[0]))
