"""What the code behind a graph is, so that a prompt edited inside a kind of the user's own does not go unnoticed.

The package's own kinds and functions have versions, which the hash of a graph holds already. A kind or function of the
user's own counts by the `version` that it gives, else by its source, else by its name alone, with a warning.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from ..nodes.base import Kind, Node
from ..nodes.callables import Given, Imported, callables_of
from .blueprint import HasBlueprint

__all__ = ["code_of", "codes_of"]

_PACKAGE = __name__.partition(".")[0]
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def codes_of(graph: HasBlueprint, *, load: bool = False) -> Mapping[str, str]:
    """The code of the kinds and functions of the user's own that a graph uses, by what they are.

    Args:
        graph: the graph.
        load: whether to import what it names. Else a function whose module has not been imported is left out: looking
            must not run anything.

    Raises:
        UsageError: something that it names cannot be imported.
    """
    blueprint, found = graph.blueprint, dict[str, str]()
    for place, node in blueprint.nodes.items():
        found[f"kind {node.kind!r}"] = _kind_code(blueprint.kinds[node.kind])
        for setting, value in callables_of(node):
            if isinstance(value, Given):
                # Several may have one name, and be told apart only by what they have captured.
                code = _codes(value)
                found[f"{setting} of node {place!r}"] = " with ".join(filter(None, (code, value.captured)))
            elif load or value.name.partition(":")[0] in sys.modules:
                found[f"function {value.name!r}"] = _codes(value)
    return {name: code for name, code in sorted(found.items()) if code}


def code_of(function: Callable[..., Any]) -> str:
    """The code of a function: its version, or a hash of its source; empty for the package's own.

    The source is that of the function and of whatever it names in its module, without comments and docstrings.
    """
    definition = _definition(function)
    if _ours(definition):
        return ""
    version = getattr(function, "version", None)
    return _sources([definition]) if version is None else f"version {version}"


def _codes(value: Imported | Given) -> str:
    """The code of what a setting names or holds; an app may be written in several functions."""
    return ", ".join(filter(None, map(code_of, value.sort.parts(value.function()))))


def _kind_code(kind: Kind[Any]) -> str:
    given = (getattr(kind, field.name) for field in fields(kind))
    own = [each for each in map(_definition, filter(callable, given)) if not _ours(each)]
    if not own:
        return ""
    # `Node.version` is inherited; only a version of its own says that somebody keeps it.
    versioned = any(
        "version" in vars(each) for each in kind.config.__mro__ if issubclass(each, Node) and not _ours(each)
    )
    return f"version {kind.config.version}" if versioned else _sources(own)


def _definition(function: Any) -> Any:
    """The class or function that an object's code is written in."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if hasattr(function, "__qualname__") else type(function)


def _ours(definition: Any) -> bool:
    return str(definition.__module__).partition(".")[0] in (_PACKAGE, "builtins")


def _sources(definitions: Iterable[Any]) -> str:
    """A hash of the sources of classes and functions, or their names where there is no source."""
    by_module: dict[str, set[str]] = {}
    for each in definitions:
        by_module.setdefault(each.__module__, set()).add(each.__qualname__)
    texts = []
    for module, names in sorted(by_module.items()):
        try:
            tree = ast.parse(inspect.getsource(sys.modules[module]))
        except (OSError, TypeError, KeyError, SyntaxError):
            named = ", ".join(f"{module}:{name}" for name in sorted(names))
            warnings.warn(
                f"the source of {named} cannot be read, so it counts by its name alone and a change in it is not "
                "noticed; give it a `version`, or define it in a file",
                stacklevel=2,
            )
            texts.append(named)
        else:
            texts += [ast.unparse(_WithoutDocstrings().visit(part)) for part in _reached(tree, names)]
    return f"source {hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:16]}"


def _reached(tree: ast.Module, names: Iterable[str]) -> Iterator[ast.AST]:
    """The statements of a module that define names, and those that define what these use, in their order."""
    defined: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _bound(statement):
            defined.setdefault(name, []).append(statement)
    waiting, seen = [name.partition(".")[0] for name in names], set[str]()
    if not all(name in defined for name in waiting):
        yield tree  # A lambda, for example, has no name to be found by.
        return
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            parts = (part for statement in defined.get(name, ()) for part in ast.walk(statement))
            waiting += [part.id for part in parts if isinstance(part, ast.Name)]
    yield from (statement for statement in tree.body if seen.intersection(_bound(statement)))


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module gives a meaning."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    names = set()
    for part in ast.walk(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            names.add(part.id)
        elif isinstance(part, _DEFINITIONS):
            names.add(part.name)
        elif isinstance(part, ast.alias):
            names.add((part.asname or part.name).partition(".")[0])
    return names


class _WithoutDocstrings(ast.NodeTransformer):
    """Takes out strings that stand alone, which are docstrings or comments."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else node
