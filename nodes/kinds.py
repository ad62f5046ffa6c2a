"""The node kinds that come with the package, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ..errors import GraphError, UnknownName
from . import decomposer, merger, search, solver, verifier
from .base import Kind, Node
from .symbolic import node as symbolic_solver

__all__ = ["KINDS", "kind_of", "kinds_with", "node_from_json"]

_ALL: tuple[Kind[Any], ...] = (
    decomposer.KIND,
    merger.KIND,
    search.KIND,
    solver.KIND,
    symbolic_solver.KIND,
    verifier.KIND,
)

KINDS: Mapping[str, Kind[Any]] = MappingProxyType({kind.config.kind: kind for kind in _ALL})
"""By name. Further kinds are given to `Graph` by whoever uses them; this table never changes."""


def kinds_with(*kinds: Kind[Any]) -> Mapping[str, Kind[Any]]:
    """The kinds of the package and some more.

    Raises:
        GraphError: a name is taken.
    """
    table = dict(KINDS)
    for kind in kinds:
        name = kind.config.kind
        if name in table and table[name] is not kind:
            raise GraphError(f"there are two node kinds named {name!r}; give yours another `kind`")
        table[name] = kind
    return MappingProxyType(table)


def kind_of(node: Node, kinds: Mapping[str, Kind[Any]] = KINDS) -> Kind[Any]:
    """The kind of a node.

    Raises:
        UnknownName: none of that name.
        GraphError: there is one, but for another class of settings.
    """
    try:
        kind = kinds[node.kind]
    except KeyError:
        raise UnknownName("node kind", node.kind, kinds) from None
    if not isinstance(node, kind.config):
        raise GraphError(f"a node of kind {node.kind!r} must be a {kind.config.__name__}, not a {type(node).__name__}")
    return kind


def node_from_json(data: Mapping[str, Any], kinds: Mapping[str, Kind[Any]] = KINDS) -> Node:
    """Reads what `Node.canonical` wrote.

    Raises:
        UnknownName: there is no such kind.
        GraphError: a setting does not fit, or the node was written for another version of its kind.
    """
    fields = dict(data)
    name, version = fields.pop("kind", None), fields.pop("version", None)
    if not isinstance(name, str):
        raise GraphError("a node needs the field 'kind'")
    if name not in kinds:
        raise UnknownName("node kind", name, kinds)
    config: type[Node] = kinds[name].config
    if version != config.version:
        raise GraphError(
            f"this {name} node was written for version {version} of its kind; here it has {config.version}"
        )
    try:
        return config.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise GraphError(f"{name} node{f', field {place!r}' if place else ''}: {first['msg']}") from None
