"""Which calls plans share: what has been paid for one plan and need not be paid again for another."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx

from ...graphs.channels import speakers_of
from ...graphs.plan import Plan
from ...graphs.space import Space
from ...nodes.base import Incoming
from ...nodes.prompts.base import Ask
from ...nodes.verifier import Verifier

__all__ = ["Item", "SharedCalls", "Use"]


@dataclass(frozen=True, slots=True)
class Item:
    """A node at certain settings, those of everything upstream included: what decides its requests."""

    node: str
    settings: frozenset[tuple[str, str]]
    """(knob or edge, value) of the node and of all that it can be reached from."""
    traits: tuple[Hashable, ...]
    """The node and its own settings, one by one: what items of one node have in common."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much a plan uses of an item."""

    item: Item
    draws: int
    """The first so many samples of it; requests are made one by one, so five samples contain three."""


class SharedCalls:
    """Takes plans of a space apart into the calls that they share with others.

    Two plans that agree on a node and on everything upstream of it send the same requests there, and what is sent
    twice is paid once. A node that makes no calls at its settings, such as a vote, is no part of it.

    Args:
        space: that the plans belong to.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        graph = space.graph
        drawn: nx.DiGraph[str] = nx.DiGraph()
        drawn.add_nodes_from(graph.nodes)
        drawn.add_edges_from((edge.source, edge.target) for edge in graph.edges)
        drawn.add_edges_from((loop.check, loop.solve) for loop in graph.blueprint.loops)
        self._upstream = {node: frozenset({node, *nx.ancestors(drawn, node)}) for node in graph.nodes}
        self._calls: dict[tuple[str, str], bool] = {}

    def uses(self, plan: Plan) -> tuple[Use, ...]:
        """What a run of the plan calls, one entry for each node that makes calls."""
        settings = [(name, _reader(name), repr(value)) for name, value in plan.values.items()]
        settings += [(edge, edge.partition("->")[2], "on") for edge in plan.edges]
        found = []
        for node in self._space.graph.nodes:
            if node in self._space.active(plan.edges).names:
                found += self._uses(node, plan, settings)
        return tuple(found)

    def _uses(self, node: str, plan: Plan, settings: list[tuple[str, str, str]]) -> list[Use]:
        own = {
            knob: value for name, value in plan.values.items() for at, _, knob in [name.rpartition(".")] if at == node
        }
        if not self._makes_calls(node, own):
            return []
        samples = own.get("samples")
        counted = f"{node}.samples" if isinstance(samples, int) else ""
        draws = samples if isinstance(samples, int) else 1
        told = [setting for setting in settings if setting[0] != counted]
        found = []
        for source in self._sources(node, plan):
            upstream = self._upstream[source]
            if source == node:
                mine = [(name, value) for name, reader, value in told if reader == node]
            else:
                places = (node, f"{source}->{node}")
                mine = [(name, value) for name, _, value in told if name.rpartition(".")[0] in places]
            before = [(name, value) for name, reader, value in told if reader in upstream]
            found.append(Use(Item(node, frozenset([*mine, *before]), ((node, source), *mine)), draws))
        return found

    def _sources(self, node: str, plan: Plan) -> tuple[str, ...]:
        """What requests are made from: a verifier asks of each node's candidates by themselves."""
        sources = self._space.active(plan.edges).sources[node]
        return sources if sources and isinstance(self._space.graph.nodes[node], Verifier) else (node,)

    def _makes_calls(self, node: str, own: Mapping[str, Any]) -> bool:
        key = (node, repr(sorted(own.items())))
        if key not in self._calls:
            space = self._space
            pinned = space.graph.nodes[node].pinned(own, space.pool.names)

            worst_case = space.graph.kinds[pinned.kind].worst_case
            self._calls[key] = bool(worst_case(pinned, Ask("?"), Incoming(()), speakers_of(space.pool)))
        return self._calls[key]


def _reader(knob: str) -> str:
    """The node that a knob belongs to; for a knob of an edge or a loop, the node that reads it."""
    return knob.rpartition(".")[0].rpartition("->")[2]
