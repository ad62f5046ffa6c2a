"""What an app is: a function, a graph of LangGraph, or a command; and what of it may stand in a file."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationInfo

from ..errors import UsageError
from ..imports import APP_COMMAND, check_command
from .callables import CallableSort, Given, Imported

__all__ = ["Command", "app_from", "app_json", "is_graph", "nodes_of"]

_COMMAND = "command"
"""How a file says that its app is a command."""


def is_graph(app: object) -> bool:
    """Whether an app is a graph of LangGraph, compiled or not."""
    return hasattr(app, "ainvoke") or (hasattr(app, "compile") and hasattr(app, "add_node"))


def nodes_of(app: object) -> Mapping[str, Any]:
    """The nodes of a graph of LangGraph by name, each with what it runs; none of anything else."""
    nodes = getattr(getattr(app, "builder", app), "nodes", {})
    return {name: getattr(node, "runnable", node) for name, node in nodes.items()} if isinstance(nodes, dict) else {}


class _AppSort(CallableSort):
    """Functions, and graphs of LangGraph."""

    def fits(self, source: object) -> bool:
        """See `CallableSort.fits`."""
        return not isinstance(source, str | bytes | bytearray) and (callable(source) or is_graph(source))

    def function(self, name: str, source: Any) -> Any:
        """The app itself."""
        if not self.fits(source):
            raise UsageError(f"{self.what} {name!r} is a {type(source).__name__}; {self.remedy}")
        return source

    def parts(self, source: Any) -> tuple[Any, ...]:
        """See `CallableSort.parts`; of a graph the functions of its nodes."""
        nodes = [runnable for _, runnable in sorted(nodes_of(source).items())]
        found = [getattr(node, "func", None) or getattr(node, "afunc", None) for node in nodes]
        return tuple(filter(callable, found)) if is_graph(source) else (source,)


_APP = _AppSort("app", "give a function from question to answer, a LangGraph graph, or a command as a list")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line; a file that has one starts nothing unless it is admitted, word for word."""

    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """In one text, such as "app:python app.py": for people, and for `allow`."""
        return APP_COMMAND + shlex.join(self.words)

    def check(self, allow: Collection[str]) -> None:
        """For a file that has it.

        Raises:
            UsageError: it is not admitted.
        """
        check_command(self.name, allow, "an app")


def app_from(value: Any, info: ValidationInfo) -> Imported | Given | Command:
    """An app as a setting or a file gives it.

    Raises:
        ValueError: it is none.
        UsageError: a file names it, and it is not admitted.
    """
    words = value.get(_COMMAND) if isinstance(value, dict) and set(value) == {_COMMAND} else value
    if isinstance(words, list | tuple) and words and words[0] and all(isinstance(word, str) for word in words):
        return _admitted(Command(tuple(words)), info)
    if isinstance(words, Command):
        return _admitted(words, info)
    found = _APP.named(value, info) or _APP.given(value)
    if found is not None:
        return found
    if isinstance(value, str) and value.strip():
        return _admitted(Command(tuple(shlex.split(value))), info)
    raise ValueError(f"it is {value!r:.60}; {_APP.remedy}, or the name of one, 'my_app:answer'")


def _admitted(command: Command, info: ValidationInfo) -> Command:
    if info.context is not None and info.context["allow"] is not None:  # it is from a file
        command.check(info.context["allow"])
    return command


def app_json(value: Any) -> Any:
    """An app as JSON values."""
    return {_COMMAND: list(value.words)} if isinstance(value, Command) else {"import": value.name}
