"""All plans that a graph and a pool admit."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import combinations, product
from math import prod
from typing import Any

from ..errors import GraphError, PlanError, UnknownName
from ..models.card import ModelCard
from ..models.pool import Pool
from ..nodes.base import Node
from ..nodes.knob import options
from .active import Active, active_part
from .blueprint import HasBlueprint
from .gate import GATE
from .knob_name import FORWARD, ROUNDS, KnobName
from .plan import Plan, plain

__all__ = ["Space"]


class Space:
    """The open knobs and optional edges of a graph, and the plans they make.

    Its plans are canonical: what is cut off by an edge that is off is inactive, and its knobs are not in the plan; a
    knob that makes no difference at the settings of the others has its first value. So plans that run alike are one
    plan, and no iteration yields a plan twice. What cannot go together with what the models of the pool can do is no
    plan, see `Node.fitted`.

    Args:
        graph: a valid graph.
        pool: the models that open model knobs range over.

    Raises:
        GraphError: no model of the pool can take a node's prompt, effort or output.
    """

    def __init__(self, graph: HasBlueprint, pool: Pool) -> None:
        self.graph = graph.blueprint
        self.pool = pool
        self.optional_edges = self.graph.optional
        self._by_edges: dict[frozenset[str], Active | None] = {}
        cards = {card.name: card for card in pool.cards}
        self._node_knobs = {name: _usable(name, node, cards) for name, node in self.graph.nodes.items()}

    @cached_property
    def knobs(self) -> Mapping[str, tuple[Any, ...]]:
        """Every open knob with its values, as JSON values, the default first."""
        everything = self.active(self.optional_edges)
        return dict(self._knobs_of(everything))

    @cached_property
    def size(self) -> int:
        """How many plans there are."""
        return sum(
            prod(len(self._settings[name]) for name in active.names)
            * prod(len(values) for _, values in self._joint_knobs(active))
            for active in self.arrangements
        )

    @cached_property
    def arrangements(self) -> tuple[Active, ...]:
        """What can run, one for each choice of optional edges that makes a difference; all edges on comes first."""
        found: dict[frozenset[str], Active] = {}
        for off in range(len(self.optional_edges) + 1):
            for cut in combinations(self.optional_edges, off):
                active = self._active(frozenset(self.optional_edges) - set(cut))
                if active is not None:
                    found.setdefault(frozenset(active.optional), active)
        return tuple(found.values())

    def active(self, edges: Collection[str]) -> Active:
        """What runs when these optional edges are on.

        Raises:
            UnknownName: there is no such optional edge.
            PlanError: the final node would get no input.
        """
        for edge in edges:
            if edge not in self.optional_edges:
                raise UnknownName(f"optional edge of graph {self.graph.name!r}", edge, self.optional_edges)
        active = self._active(frozenset(edges))
        if active is None:
            off = [edge for edge in self.optional_edges if edge not in edges]
            raise PlanError(f"with the edges {', '.join(off)} all off, {self.graph.final!r} gets no input")
        return active

    def default(self) -> Plan:
        """The first value of every knob, all optional edges on."""
        return self.plan()

    def plan(self, values: Mapping[str, Any] | None = None, edges: Collection[str] | None = None) -> Plan:
        """The canonical plan with these values.

        Args:
            values: by knob; what is left out takes the knob's first value, what belongs to inactive parts is dropped.
            edges: the optional edges that are on; None for all.

        Raises:
            UnknownName: there is no such knob or edge.
            PlanError: a knob does not admit its value, values cannot go together with a model, or the final node would
                get no input.
        """
        given = {name: self._admitted(name, value) for name, value in (values or {}).items()}
        active = self.active(self.optional_edges if edges is None else edges)
        chosen = {name: given.get(name, first[0]) for name, first in self._knobs_of(active)}
        for name in active.names:
            if self._misfit(name, chosen):
                chosen |= self._completed(name, given)
        return self._plan(active, chosen)

    def nearest(
        self, values: Mapping[str, Any], edges: Collection[str] | None = None, *, keep: str | None = None
    ) -> Plan:
        """As `plan`; where values cannot go together, with the fewest others in their place.

        Args:
            values: as for `plan`.
            edges: as for `plan`.
            keep: the knob whose value is not to be changed, where there is one.

        Raises:
            UnknownName: there is no such knob or edge.
            PlanError: a knob does not admit its value, or the final node would get no input.
        """
        given = {name: self._admitted(name, value) for name, value in values.items()}
        active = self.active(self.optional_edges if edges is None else edges)
        chosen = {name: given.get(name, first[0]) for name, first in self._knobs_of(active)}
        for name in active.names:
            if self._misfit(name, chosen):
                fit = self._settings[name]
                kept = [each for each in fit if keep is None or keep not in each or each[keep] == chosen[keep]]
                found = min(kept or fit, key=lambda each: sum(chosen[knob] != value for knob, value in each.items()))
                chosen.update(found)
        return self._plan(active, chosen)

    def canonical(self, plan: Plan) -> Plan:
        """The canonical form of a plan from elsewhere.

        Raises:
            PlanError: it was made for another graph, lacks a value, or has one that its knob does not admit.
            UnknownName: it sets a knob or an edge that the graph does not have.
        """
        if plan.graph_hash != self.graph.hash:
            raise PlanError(
                f"this plan was made for the graph with hash {plan.graph_hash}, but graph {self.graph.name!r} has "
                f"{self.graph.hash}; its nodes, edges or knobs were changed since, so search for a plan again"
            )
        made = self.plan(plan.values, plan.edges)
        for name in made.values:
            if name not in plan.values:
                raise PlanError(f"the plan has no value for knob {name!r}; it may be one of {self.knobs[name]}")
        return made

    def pinned(self, plan: Plan, node: str) -> Node:
        """A node with its knobs set as a canonical plan says under which it runs."""
        models = self.pool.names
        config = self.graph.nodes[node]
        values = {knob: plan.values[str(KnobName(node, knob))] for knob in config.open_knobs(models)}
        return config.pinned(values, models).fitted(self.pool.card)

    def sample(self, generator: random.Random) -> Plan:
        """A random plan: first which edges are on, evenly over what can run, then each knob evenly over its values.

        The knobs of a node are drawn again until they can go together.
        """
        active = generator.choice(self.arrangements)
        drawn = {name: generator.choice(values) for name, values in self._knobs_of(active)}
        for name, knobs in self._node_knobs.items():
            while name in active.names and self._misfit(name, drawn):
                drawn |= {knob: generator.choice(values) for knob, values in knobs.items()}
        return self._plan(active, drawn)

    def neighbours(self, plan: Plan) -> tuple[Plan, ...]:
        """The plans that differ in one knob or in one optional edge, with the fewest others that it needs.

        Raises:
            PlanError, UnknownName: as `canonical`.
        """
        plan = self.canonical(plan)
        found: dict[Plan, None] = {}
        for name, chosen in plan.values.items():
            for value in self.knobs[name]:
                if value != chosen:
                    found[self.nearest({**plan.values, name: value}, plan.edges, keep=name)] = None
        for edge in self.optional_edges:
            edges = set(plan.edges) - {edge} if edge in plan.edges else self._with(edge, plan.edges)
            if self._active(frozenset(edges)) is not None:
                found[self.plan(plan.values, edges)] = None
        found.pop(plan, None)
        return tuple(found)

    def __iter__(self) -> Iterator[Plan]:
        for active in self.arrangements:
            names = [name for name in self.graph.nodes if name in active.names]
            joints = list(self._joint_knobs(active))
            for chosen in product(*(self._settings[name] for name in names)):
                settings = {knob: value for setting in chosen for knob, value in setting.items()}
                for values in product(*(values for _, values in joints)):
                    joint = dict(zip((knob for knob, _ in joints), values, strict=True))
                    yield Plan(self.graph.hash, {**settings, **joint}, active.optional)

    @cached_property
    def _settings(self) -> Mapping[str, tuple[dict[str, Any], ...]]:
        """The settings of each node that make a difference, as values by knob."""
        found: dict[str, tuple[dict[str, Any], ...]] = {}
        for name, knobs in self._node_knobs.items():
            combined = (dict(zip(knobs, values, strict=True)) for values in product(*knobs.values()))
            distinct = {repr(fit): fit for each in combined if (fit := self._fit(name, each)) is not None}
            found[name] = tuple(distinct.values())
        return found

    def _telling(self, node: str, values: dict[str, Any]) -> dict[str, Any]:
        """Values of one node's knobs, with the first value for each that makes no difference."""
        return self._told(node, self._pinned(node, values), values)

    def _fit(self, node: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """As `_telling`; None where they cannot go together with a model."""
        pinned = self._pinned(node, values)
        try:
            pinned.fitted(self.pool.card)
        except PlanError:
            return None
        return self._told(node, pinned, values)

    def _told(self, node: str, pinned: Node, values: dict[str, Any]) -> dict[str, Any]:
        knobs, idle = self._node_knobs[node], pinned.idle_with(self.pool.card)
        return {knob: knobs[knob][0] if knob.removeprefix(f"{node}.") in idle else values[knob] for knob in values}

    def _pinned(self, node: str, values: Mapping[str, Any]) -> Node:
        """A node at values of all its knobs, which may not go together."""
        named = {knob.removeprefix(f"{node}."): values[knob] for knob in self._node_knobs[node]}
        return self.graph.nodes[node].pinned(named, self.pool.names)

    def _misfit(self, node: str, values: Mapping[str, Any]) -> str:
        """Why values of a node's knobs cannot go together with its models; empty where they can."""
        if self._node_knobs[node]:
            try:
                self._pinned(node, values).fitted(self.pool.card)
            except PlanError as misfit:
                return f"node {node!r}: {misfit}"
        return ""

    def _completed(self, node: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The first values of a node's knobs that go together with those given; with all of these in use, if any do."""
        knobs = self._node_knobs[node]
        options = [(given[knob],) if knob in given else values for knob, values in knobs.items()]
        unused: dict[str, Any] | None = None
        misfit = ""
        for values in product(*options):
            found = dict(zip(knobs, values, strict=True))
            refused = self._misfit(node, found)
            misfit = misfit or refused
            if not refused and all(self._telling(node, found)[knob] == given[knob] for knob in knobs if knob in given):
                return found
            if not refused and unused is None:
                unused = found
        if unused is None:
            raise PlanError(misfit)
        return unused

    def _active(self, edges: frozenset[str]) -> Active | None:
        if edges not in self._by_edges:
            self._by_edges[edges] = active_part(self.graph, edges)
        return self._by_edges[edges]

    def _plan(self, active: Active, values: Mapping[str, Any]) -> Plan:
        telling = dict(values)
        for name in active.names:
            knobs = self._node_knobs[name]
            if knobs:
                telling.update(self._telling(name, {knob: telling[knob] for knob in knobs}))
        return Plan(self.graph.hash, telling, active.optional)

    def _knobs_of(self, active: Active) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The open knobs of what runs, in the order of the graph."""
        for name in self.graph.nodes:
            if name in active.names:
                yield from self._node_knobs[name].items()
        yield from self._joint_knobs(active)

    def _joint_knobs(self, active: Active) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The open knobs of the edges and loops of what runs."""
        joins = [(edge.name, edge.forward) for edge in active.edges]
        joins += [(body.loop.name, body.loop.forward) for body in active.bodies]
        for name, forward in joins:
            if len(options(forward)) > 1:
                yield str(KnobName(name, FORWARD)), tuple(map(plain, options(forward)))
        for edge in active.edges:
            if edge.gate is not None and len(edge.gate.thresholds) > 1:
                yield str(KnobName(edge.name, GATE)), edge.gate.thresholds
        for body in active.bodies:
            if len(options(body.loop.rounds)) > 1:
                yield str(KnobName(body.loop.name, ROUNDS)), tuple(map(plain, options(body.loop.rounds)))

    def _admitted(self, name: str, value: Any) -> Any:
        if name not in self.knobs:
            raise UnknownName(f"open knob of graph {self.graph.name!r}", name, self.knobs)
        value = plain(value)
        for option in self.knobs[name]:
            if option == value and isinstance(option, bool) == isinstance(value, bool):
                return option
        raise PlanError(f"knob {name!r} cannot be {value!r}; it may be one of {self.knobs[name]}")

    def _with(self, edge: str, edges: Collection[str]) -> set[str]:
        """The edges with one more, and with the fewest others that lead to it and from it to the final node."""
        import networkx as nx  # here, because a graph that is only built should not wait for it

        blueprint = self.graph
        drawn: nx.DiGraph[str] = nx.DiGraph()
        for each in blueprint.edges:
            drawn.add_edge(each.source, each.target, cost=int(each.optional and each.name not in edges))
        for loop in blueprint.loops:
            drawn.add_edge(loop.check, loop.solve, cost=0)
        for entry in blueprint.entries:
            drawn.add_edge("", entry, cost=0)
        source, target = edge.split("->")
        steps = [
            *nx.utils.pairwise(nx.shortest_path(drawn, "", source, weight="cost")),
            *nx.utils.pairwise(nx.shortest_path(drawn, target, blueprint.final, weight="cost")),
        ]
        needed = {f"{a}->{b}" for a, b in steps}
        return {*edges, edge, *(name for name in self.optional_edges if name in needed)}


def _usable(name: str, node: Node, cards: Mapping[str, ModelCard]) -> dict[str, tuple[Any, ...]]:
    """The open knobs of a node, by their full names."""
    try:
        return {f"{name}.{knob}": tuple(map(plain, values)) for knob, values in node.usable_knobs(cards).items()}
    except GraphError as fault:
        raise GraphError(f"node {name!r}: {fault}") from None
