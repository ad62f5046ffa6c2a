"""A graph that has been found valid, as a value: what plans, spaces, bounds, drawings and runs are made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import GraphError
from ..nodes.base import Kind, Node
from ..nodes.callables import Given, callables_of
from ..nodes.kinds import home_of
from ..nodes.knob import Adaptive, Choice
from ..nodes.mcp_tools import servers_of
from ..records.files import JsonFault, parse_json
from ..records.message import Forward
from .edges import Each, Edge, Loop

__all__ = ["Blueprint", "GraphContent", "HasBlueprint"]


class HasBlueprint(Protocol):
    """A graph in either form: the builder `Graph`, or the `Blueprint` itself."""

    @property
    def blueprint(self) -> Blueprint:
        """The graph, checked and frozen."""


@dataclass(frozen=True)
class Blueprint:
    """A valid graph; immutable. Its edges include those that groups imply."""

    name: str
    """A label for people."""
    kinds: Mapping[str, Kind[Any]]
    """The node kinds by name."""
    nodes: Mapping[str, Node]
    """By name, in the order in which they were added."""
    edges: tuple[Edge, ...]
    """In the order of their nodes, loop edges excepted."""
    groups: tuple[Each, ...]
    loops: tuple[Loop, ...]
    starts: tuple[str, ...]
    """The nodes that were said to work from the task alone."""
    entries: frozenset[str]
    """These, and the nodes without incoming edges."""
    final: str
    """The node whose answer is the run's."""

    @property
    def blueprint(self) -> Blueprint:
        """Itself, see `HasBlueprint`."""
        return self

    @property
    def optional(self) -> tuple[str, ...]:
        """The names of the optional edges."""
        return tuple(edge.name for edge in self.edges if edge.optional)

    @property
    def gated(self) -> bool:
        """Whether an edge has a gate."""
        return any(edge.gate is not None for edge in self.edges)

    @property
    def unbounded(self) -> bool:
        """Whether nobody can foresee its calls, so that a run needs an allowance, see `Kind.unbounded`."""
        return any(self.kinds[node.kind].unbounded for node in self.nodes.values())

    @cached_property
    def upstream(self) -> Mapping[str, frozenset[str]]:
        """By node: itself and all that its requests can depend on, loops included."""
        import networkx as nx  # here, because a graph that is only built should not wait for its import

        drawn: nx.DiGraph[str] = nx.DiGraph()
        drawn.add_nodes_from(self.nodes)
        drawn.add_edges_from((edge.source, edge.target) for edge in self.edges)
        drawn.add_edges_from((loop.check, loop.solve) for loop in self.loops)
        return {node: frozenset({node, *nx.ancestors(drawn, node)}) for node in self.nodes}

    @cached_property
    def hash(self) -> str:
        """Of the canonical JSON, 16 hexadecimal digits; a plan names it. Where kinds come from is not part of it."""
        return hashlib.sha256(_dumped(self._content()).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The canonical JSON, which `Graph.from_json` reads, and where the kinds come from that it does not know.

        Raises:
            GraphError: a node holds a function or an object that cannot be found again by a name.
        """
        for name, node in self.nodes.items():
            for setting, value in callables_of(node):
                if isinstance(value, Given):
                    raise GraphError(
                        f"node {name!r}: its {setting} {value.name!r} cannot be found again by a name, so the graph "
                        "cannot be written to a file; take a function that is defined with `def` at the top of a "
                        "module, or an object that stands there"
                    )
        used = sorted({node.kind for node in self.nodes.values()})
        homes = {name: home for name in used if (home := home_of(self.kinds[name])) is not None}
        return _dumped(self._content() | ({"kinds": homes} if homes else {}))

    @property
    def modules(self) -> tuple[str, ...]:
        """What whoever loads its JSON must admit: modules, and commands, of MCP servers (`McpTools.name`) and apps."""
        named = [home_of(self.kinds[node.kind]) for node in self.nodes.values()]
        held = [value for node in self.nodes.values() for _, value in callables_of(node)]
        named += [value.name for value in held if not isinstance(value, Given) and not value.known]
        commands = {server.name for node in self.nodes.values() for server in servers_of(node)}
        commands |= {admitted for node in self.nodes.values() for admitted in node.admissions()}
        return (*sorted({reference.partition(":")[0] for reference in named if reference}), *sorted(commands))

    def _content(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "nodes": [[name, node.canonical()] for name, node in self.nodes.items()],
            "edges": [
                [e.source, e.target, e.optional, _plain(e.forward), *(() if e.gate is None else (e.gate.to_json(),))]
                for e in self.edges
            ],
            "each": [[g.split, g.solve, g.merge] for g in self.groups],
            "loops": [[x.check, x.solve, _plain(x.rounds), _plain(x.forward)] for x in self.loops],
            "start": sorted(self.starts),
            "finish": self.final,
        }


def _dumped(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class GraphContent(BaseModel):
    """The JSON of a graph, as far as it can be judged without the kinds of its nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    nodes: tuple[tuple[str, dict[str, Any]], ...]
    edges: tuple[tuple[str, str, bool, Any] | tuple[str, str, bool, Any, dict[str, Any]], ...]
    """Source, target, whether it may be left out, what it forwards; and its gate where it has one."""
    each: tuple[tuple[str, str, str], ...]
    loops: tuple[tuple[str, str, Any, Any], ...]
    start: tuple[str, ...]
    finish: str
    kinds: dict[str, str] = {}
    """By kind that does not come with the package, where it is found."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads what `Blueprint.to_json` wrote.

        Raises:
            GraphError: it is not that; the message names the field.
        """
        try:
            return cls.model_validate(parse_json(text))
        except JsonFault as fault:
            raise GraphError(f"not the JSON of a graph: {fault}") from None
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, wrong["loc"]))
            raise GraphError(f"not the JSON of a graph: field {place!r}: {wrong['msg']}") from None


def _plain(value: Any) -> Any:
    """A knob of an edge as JSON values."""
    if isinstance(value, Choice):
        return {"choose": [_plain(option) for option in value.values]}
    if isinstance(value, Adaptive):
        return value.model_dump(mode="json")
    return value.value if isinstance(value, Forward) else value
