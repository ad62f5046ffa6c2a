"""What of a graph runs under a choice of its optional edges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter

from .blueprint import Blueprint
from .edges import Each, Edge, Loop

__all__ = ["Active", "Body", "active_part", "body_nodes", "levels", "reached", "sorter"]


@dataclass(frozen=True, slots=True)
class Body:
    """A loop with the nodes that run in each of its rounds."""

    loop: Loop
    nodes: frozenset[str]


@dataclass(frozen=True)
class Active:
    """The part of a graph that runs; two choices of optional edges that run alike have equal `optional`."""

    blueprint: Blueprint
    names: frozenset[str]
    edges: tuple[Edge, ...]
    groups: tuple[Each, ...]
    bodies: tuple[Body, ...]

    @property
    def optional(self) -> tuple[str, ...]:
        """The optional edges that are on and matter, in the order of the graph."""
        return tuple(edge.name for edge in self.edges if edge.optional)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes in topological order, ties in the order of the graph."""
        names = [name for name in self.blueprint.nodes if name in self.names]
        waits = sorter(names, ((edge.source, edge.target) for edge in self.edges))
        ready, found = [*map(names.index, waits.get_ready())], []
        while ready:
            ready.sort()
            found.append(names[ready.pop(0)])
            waits.done(found[-1])
            ready += map(names.index, waits.get_ready())
        return tuple(found)

    @cached_property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """By node: those it reads, in the order of the graph."""
        return {n: tuple(edge.source for edge in self.edges if edge.target == n) for n in self.names}

    @cached_property
    def body_of(self) -> dict[str, Body]:
        """By node: the loop in which it runs, where there is one."""
        return {name: body for body in self.bodies for name in body.nodes}

    @cached_property
    def split_of(self) -> dict[str, str]:
        """By node that runs once per part: the node that makes the parts."""
        return {group.solve: group.split for group in self.groups}


def active_part(graph: Blueprint, on: Collection[str]) -> Active | None:
    """Cuts the optional edges that are not in `on`, and all that no longer matters.

    A node runs when it can be reached from an entry and when the final node can be reached from it. Groups stop as a
    whole; a loop stops when one of its ends does, and what is left of its body runs once.

    Returns:
        None where the final node itself would get no input, with every gate shut.
    """
    edges = [edge for edge in graph.edges if not edge.optional or edge.name in on]
    alive = frozenset(graph.nodes)
    while True:
        live = [edge for edge in edges if edge.source in alive and edge.target in alive]
        found = reached(graph.entries & alive, [(e.source, e.target) for e in live])
        looping = [loop for loop in graph.loops if _loops(loop, live, found)]
        back = [(e.target, e.source) for e in live] + [(loop.solve, loop.check) for loop in looping]
        kept = found & reached({graph.final} & alive, back)
        for group in graph.groups:
            if not group.members <= kept:
                kept -= group.members
        if kept == alive:
            break
        alive = kept
    open_ = [(edge.source, edge.target) for edge in live if edge.gate is None]
    if graph.final not in alive or graph.final not in reached(graph.entries & alive, open_):
        return None
    groups = tuple(group for group in graph.groups if group.members <= alive)
    bodies = tuple(Body(loop, body_nodes(loop, live)) for loop in looping)
    return Active(graph, alive, tuple(live), groups, bodies)


def body_nodes(loop: Loop, edges: Iterable[Edge]) -> frozenset[str]:
    """The nodes on any path from the loop's first node to its last; empty where there is no path."""
    edges = list(edges)
    ahead = reached({loop.solve}, [(edge.source, edge.target) for edge in edges])
    behind = reached({loop.check}, [(edge.target, edge.source) for edge in edges])
    return ahead & behind


def _loops(loop: Loop, live: list[Edge], found: frozenset[str]) -> bool:
    return loop.solve in found and loop.check in found and bool(body_nodes(loop, live))


def sorter(nodes: Iterable[str], pairs: Iterable[tuple[str, str]]) -> TopologicalSorter[str]:
    """A sorter that is ready to be asked, for nodes and the pairs of which the second waits for the first.

    Raises:
        CycleError: some wait for themselves.
    """
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(nodes, ()))
    for source, target in pairs:
        order.add(target, source)
    order.prepare()
    return order


def levels(nodes: Iterable[str], pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    """The nodes of an acyclic graph, those together that wait for no other but those before."""
    order = sorter(nodes, pairs)
    while order.is_active():
        level = order.get_ready()
        yield level
        order.done(*level)


def reached(starts: Iterable[str], pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The nodes that can be reached from some, these included."""
    ahead: dict[str, list[str]] = {}
    for source, target in pairs:
        ahead.setdefault(source, []).append(target)
    found = set(starts)
    waiting = list(found)
    while waiting:
        for target in ahead.get(waiting.pop(), ()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return frozenset(found)
