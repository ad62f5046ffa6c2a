"""The node kinds by name: those of the package, installed ones, and those that a caller gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from ..errors import GraphError, UnknownName, UsageError
from ..imports import outside, reference_to
from ..registry import Registry
from .base import Kind, Node
from .callables import Imported, callables_of
from .mcp_tools import servers_of

__all__ = ["KINDS", "Kinds", "home_of", "kind_of", "kinds_from", "kinds_named", "kinds_with", "node_from_json"]

Kinds: TypeAlias = Mapping[str, Kind[Any]] | Iterable[Kind[Any]]
"""How a caller gives kinds: further ones, or a whole table by name."""


def _checked(name: str, kind: object) -> Kind[Any]:
    if not isinstance(kind, Kind):
        raise UsageError(f"{kind!r} is no node kind, an object of the class Kind")
    if name not in ("", kind.config.kind):
        raise UsageError(f"node kind {name!r} calls itself {kind.config.kind!r}; the two names must be one")
    return kind


KINDS: Registry[Kind[Any]] = Registry(
    "node kind",
    "apportion.kinds",
    _checked,
    {
        "agent": "nodes.agent:KIND",
        "app": "nodes.app:KIND",
        "app_step": "nodes.app_step:KIND",
        "decomposer": "nodes.decomposer:KIND",
        "function": "nodes.function:KIND",
        "merger": "nodes.merger:KIND",
        "role": "nodes.role:KIND",
        "search": "nodes.search:KIND",
        "solver": "nodes.solver:KIND",
        "symbolic_solver": "nodes.symbolic_solver:KIND",
        "verifier": "nodes.verifier:KIND",
    },
)
"""The package's own and those that installed packages register; never changes."""


def kinds_with(*kinds: Kind[Any]) -> Registry[Kind[Any]]:
    """The kinds of the table and some more.

    Raises:
        GraphError: a name is taken.
    """
    try:
        return KINDS.adding((kind.config.kind, kind) for kind in kinds)
    except UsageError as taken:
        raise GraphError(str(taken)) from None


def kinds_from(kinds: Kinds) -> Mapping[str, Kind[Any]]:
    """A table by name, from one or from further kinds.

    Raises:
        GraphError: a name is taken.
    """
    return kinds if isinstance(kinds, Mapping) else kinds_with(*kinds)


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


def home_of(kind: Kind[Any]) -> str | None:
    """Where a file says that a kind comes from, `module:name`.

    None for those of the table, which need no place, and for one that no module holds at its top: whoever loads the
    file must give that one again.
    """
    if KINDS.get(kind.config.kind) is kind:
        return None
    found = reference_to(kind, (kind.config.__module__, kind.run.__module__))
    return found and outside(found)


def kinds_named(
    names: Iterable[str], homes: Mapping[str, str], kinds: Mapping[str, Kind[Any]], allow: Collection[str]
) -> Mapping[str, Kind[Any]]:
    """A table with the kinds that a file needs: those of another table, and those that modules hold as the file says.

    Args:
        names: of the kinds.
        homes: `module:name` by kind, as `home_of` gave them.
        kinds: the other table.
        allow: the modules that are admitted.

    Raises:
        UsageError: a module is not admitted or cannot be imported, or what it holds is not that kind.
    """
    found = {name: KINDS.load(homes[name], allow, name) for name in names if name not in kinds and name in homes}
    if not found:
        return kinds
    return kinds.adding(found.items()) if isinstance(kinds, Registry) else {**kinds, **found}


def node_from_json(
    data: Mapping[str, Any], kinds: Mapping[str, Kind[Any]] = KINDS, *, allow: Collection[str] | None = ()
) -> Node:
    """Reads what `Node.canonical` wrote.

    Args:
        data: JSON values.
        kinds: by name.
        allow: modules that the data may name, None for all. Settings that hold an `Imported` are checked here; a node
            whose settings name modules otherwise checks them in a validator, against `info.context["allow"]`.

    Raises:
        UnknownName: there is no such kind.
        GraphError: a setting does not fit, or the node was written for another version of its kind.
        UsageError: it names a module that is not admitted.
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
    node = config.model_validate(fields, context={"allow": allow})
    if allow is not None:
        for _, value in callables_of(node):
            if isinstance(value, Imported):  # also where a kind's validator did not; so far nothing was imported
                value.check(allow)
        for server in servers_of(node):
            server.check(allow)
    return node
