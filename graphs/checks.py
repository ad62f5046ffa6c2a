"""Whether a graph is valid, found out before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from graphlib import CycleError
from typing import Any

from ..errors import GraphError
from ..nodes.base import Kind, Node
from ..records.prompt import GRADING
from .active import active_part, body_nodes, reached, sorter
from .blueprint import Blueprint
from .edges import Each, Edge, Loop

__all__ = ["MOST_OPTIONAL_EDGES", "check_name", "checked"]

MOST_OPTIONAL_EDGES = 16
"""So that all choices of them can be listed."""
_NAME = re.compile(r"\w[\w-]*")
_RESERVED = frozenset({"task", "out"})


def check_name(name: str) -> None:
    """Refuses names that would be read wrongly in edges, knobs or the runtime.

    Raises:
        GraphError: the name is reserved, or has other characters than letters, digits, `_` and `-`.
    """
    if name in _RESERVED or name.startswith("__"):
        raise GraphError(f"node name {name!r} is reserved; choose another")
    if not _NAME.fullmatch(name):
        raise GraphError(
            f"node name {name!r} may have only letters, digits, '_' and '-', and must not begin with '-'; "
            "':', '|', '.' and '->' are how edges, knobs and the runtime are written"
        )


def checked(
    name: str,
    kinds: Mapping[str, Kind[Any]],
    nodes: Mapping[str, Node],
    edges: list[Edge],
    groups: Iterable[Each],
    loops: Iterable[Loop],
    starts: Collection[str],
    finish: str | None,
) -> Blueprint:
    """The graph as a blueprint.

    Raises:
        GraphError: it is not valid; the message names the node or the edge.
    """
    if not nodes:
        raise GraphError(f"graph {name!r} has no nodes")
    order = {node: position for position, node in enumerate(nodes)}
    groups = tuple(sorted(groups, key=lambda group: order[group.split]))
    loops = tuple(sorted(loops, key=lambda loop: (order[loop.check], order[loop.solve])))
    _no_cycles(nodes, edges)
    bodies = _bodies(loops, edges)
    _groups(groups, edges, bodies)
    entries = frozenset(nodes) - {edge.target for edge in edges} | frozenset(starts)
    final = finish if finish is not None else _only_sink(name, nodes, edges)
    _all_matter(nodes, edges, loops, final)
    _asked(kinds, nodes, edges)
    _prompts(nodes, edges)
    blueprint = Blueprint(name, kinds, dict(nodes), tuple(edges), groups, loops, tuple(starts), entries, final)
    _cuts(blueprint)
    return blueprint


def _no_cycles(nodes: Iterable[str], edges: list[Edge]) -> None:
    try:
        sorter(nodes, ((edge.source, edge.target) for edge in edges))
    except CycleError as found:
        around = found.args[1][1:]
        begins = around.index(min(around, key=list(nodes).index))
        path = "->".join([*around[begins:], *around[: begins + 1]])
        raise GraphError(f"the edges {path} form a cycle; make the edge that leads back a loop(check, solve)") from None


def _only_sink(name: str, nodes: Iterable[str], edges: list[Edge]) -> str:
    sources = {edge.source for edge in edges}
    sinks = [node for node in nodes if node not in sources]
    if len(sinks) == 1:
        return sinks[0]
    listed = ", ".join(repr(sink) for sink in sinks)
    raise GraphError(
        f"graph {name!r} has several nodes without outgoing edges: {listed}; connect them to one node, "
        "or name the one that gives the answer with finish()"
    )


def _all_matter(nodes: Iterable[str], edges: list[Edge], loops: Collection[Loop], final: str) -> None:
    back = [(edge.target, edge.source) for edge in edges] + [(loop.solve, loop.check) for loop in loops]
    useful = reached({final}, back)
    for node in nodes:
        if node not in useful:
            raise GraphError(f"node {node!r} can never reach the final node {final!r}; connect it, or leave it out")


def _asked(kinds: Mapping[str, Kind[Any]], nodes: Mapping[str, Node], edges: list[Edge]) -> None:
    """Nodes that run on demand are asked by a node that they lead to, and are of the kind that it asks."""
    led = {(edge.source, edge.target) for edge in edges}
    asked = set()
    for name, node in nodes.items():
        for place, kind in kinds[node.kind].asks(node).items():
            found = nodes.get(place)
            if found is None or found.kind != kind:
                what = "there is none" if found is None else f"it is of the kind {found.kind!r}"
                raise GraphError(f"node {name!r} asks node {place!r}, which must be of the kind {kind!r}; {what}")
            if (place, name) not in led:
                raise GraphError(f"node {name!r} asks node {place!r}; connect({place!r}, {name!r})")
            asked.add(place)
    for name, node in nodes.items():
        if kinds[node.kind].on_demand and name not in asked:
            raise GraphError(
                f"node {name!r} is of the kind {node.kind!r} and runs only when an app asks it; no app here does: "
                "declare it as a role or a step of a Workflow"
            )


def _prompts(nodes: Mapping[str, Node], edges: list[Edge]) -> None:
    for name, node in nodes.items():
        sources = [edge.source for edge in edges if edge.target == name]
        for prompt in node.prompts():
            for graded in prompt.placeholders.intersection(GRADING):
                raise GraphError(
                    f"prompt {prompt.label!r} of node {name!r} has {{{graded}}}, which only the rubric of a Judge is "
                    f"given; write {{node:NAME}} for what another node answered, or '{{ {graded} }}' for text"
                )
            for other in prompt.nodes - set(sources):
                near = ", ".join(map(repr, get_close_matches(other, sources, 1, 0.0)))
                raise GraphError(
                    f"prompt {prompt.label!r} of node {name!r} reads {{node:{other}}}, but no edge leads from there; "
                    + (f"did you mean {near}, or " if near else "")
                    + f"connect({other!r}, {name!r})"
                )


def _bodies(loops: Collection[Loop], edges: list[Edge]) -> list[frozenset[str]]:
    bodies: list[frozenset[str]] = []
    for loop in loops:
        body = body_nodes(loop, edges)
        if not body:
            raise GraphError(
                f"loop {loop.name!r} leads back to nothing: no edges lead from {loop.solve!r} to {loop.check!r}"
            )
        for other, earlier in zip(loops, bodies, strict=False):
            if body & earlier:
                shared = ", ".join(repr(node) for node in sorted(body & earlier))
                raise GraphError(
                    f"loops {other.name!r} and {loop.name!r} overlap in {shared}; loops must not share nodes"
                )
        bodies.append(body)
    return bodies


def _groups(groups: Collection[Each], edges: list[Edge], bodies: list[frozenset[str]]) -> None:
    for group in groups:
        place = f"each({group.split!r}, {group.solve!r}, {group.merge!r})"
        for other in groups:
            if other is not group and _clash(group, other):
                raise GraphError(f"{place} shares a node with each({other.split!r}, {other.solve!r}, {other.merge!r})")
        for edge in edges:
            if edge.optional and (edge.source, edge.target) in group.pairs:
                raise GraphError(f"edge {edge.name!r} is implied by {place} and cannot be optional")
            if edge.gate is not None and (edge.source, edge.target) in group.pairs:
                raise GraphError(f"edge {edge.name!r} is implied by {place} and cannot have a gate")
            if edge.source == group.solve and edge.target != group.merge:
                raise GraphError(
                    f"edge {edge.name!r} leaves {place} from inside; only {group.merge!r} can read the parts"
                )
        for body in bodies:
            if group.members & body and not group.members <= body:
                raise GraphError(f"{place} lies partly inside a loop; put it wholly inside or wholly outside")


def _clash(group: Each, other: Each) -> bool:
    """Whether two groups share more than one's merge that is the other's split."""
    shared = group.members & other.members
    chained = {group.merge} if group.merge == other.split else {group.split} if group.split == other.merge else set()
    return bool(shared - chained)


def _cuts(blueprint: Blueprint) -> None:
    names = blueprint.optional
    if len(names) > MOST_OPTIONAL_EDGES:
        raise GraphError(
            f"graph {blueprint.name!r} has {len(names)} optional edges; at most {MOST_OPTIONAL_EDGES} can be searched"
        )
    if active_part(blueprint, names) is None:
        raise GraphError(
            f"graph {blueprint.name!r}: the final node {blueprint.final!r} cannot be reached from any entry"
            + (" when every gate is shut; leave one way to it without a gate" if blueprint.gated else "")
        )
    for edge in blueprint.edges:
        if edge.optional and active_part(blueprint, set(names) - {edge.name}) is None:
            raise GraphError(
                f"edge {edge.name!r} is optional, but without it the final node {blueprint.final!r} gets no input; "
                f"make the edge fixed, or say start({edge.target!r}) if {edge.target!r} can work from the task alone"
            )
