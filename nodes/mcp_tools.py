"""Tools of an MCP server, as a setting of a node."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from typing import Annotated, Any, Self

from annotated_types import Interval, MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, StringConstraints, ValidationInfo
from pydantic_core import CoreSchema

from ..errors import GraphError
from ..imports import MCP_COMMAND, check_command
from ..records.redaction import tells_of_a_secret
from .base import Node
from .knob import options
from .servers.pipes import Launch
from .servers.server import ToolServer
from .servers.shared import leased
from .settings_errors import with_settings_errors
from .tool_costs import MOST_USD

__all__ = ["McpTools", "servers_of"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _words(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError('give the program and each of its arguments by itself, such as ("python", "server.py")')
    return value


def _names(value: Any) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(each, str) and _NAME.fullmatch(each) for each in value):
        return value
    raise GraphError(  # without what was given, which may be secret
        "McpTools, field 'env': give only the names of variables, such as ('TOKEN',); the server is given the "
        "values that they have in this program"
    )


_Word = Annotated[str, StringConstraints(pattern=r"\A[^\x00]*\z")]


class McpTools(BaseModel):
    """The tools of an MCP server that talks over its standard input and output (`pip install apportion[mcp]`).

    The server is started when a node that has it first runs, one process for all runs that go on at the same time, and
    ended with the last of them, or with this program, however that ends. To keep it from one run to the next::

        tools = McpTools(command=("python", "server.py"))
        graph = Graph("towns").add("act", Agent(tools=(tools,)))
        with tools.kept():
            for question in questions:
                graph.run(question, pool=pool)

    In a graph file it is data: whoever loads the file must admit its command, by `allow=` or `--allow`.

    Raises:
        GraphError: a setting does not fit, or there is no such setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_settings_errors(cls, handler(source))

    command: Annotated[tuple[_Word, ...], MinLen(1), BeforeValidator(_words)]
    """The program and its arguments, such as `("python", "server.py")`; no shell reads them. It works in the current
    folder."""
    env: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """The names of environment variables that the server is given; else it has only harmless ones such as PATH."""
    only: tuple[_Word, ...] = ()
    """The names of its tools that are offered, as the server lists them; all where none is named."""
    prefix: Annotated[str, StringConstraints(pattern=r"\A[a-zA-Z0-9_-]{0,32}\z")] = ""
    """What models read before the name of each of its tools, so that those of several servers can be told apart."""
    usd_per_call: Annotated[float, Interval(ge=0.0, le=MOST_USD)] = 0.0
    """What each call of a tool costs, in dollars; it is reserved before the call and charged with it."""
    schema_bytes: Annotated[int, Interval(ge=64, le=10_000_000)] = 8000
    """The most bytes of its tools as models are told them: bounds count so many, and know nothing of the server. A
    server that lists more is an error that says how many are needed."""
    start_seconds: Annotated[float, Interval(gt=0.0, le=86_400.0)] = 30.0
    """After so long without an answer the start is given up."""

    @property
    def name(self) -> str:
        """Command and variables in one text, such as "mcp:$TOKEN python server.py": for people, and for `allow`."""
        return MCP_COMMAND + " ".join([*(f"${variable}" for variable in self.env), shlex.join(self.command)])

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the server is given that no trace may keep: the values of variables with names such as `API_TOKEN`."""
        return tuple(filter(None, (os.environ.get(name) for name in self.env if tells_of_a_secret(name))))

    def check(self, allow: Collection[str]) -> None:
        """Refuses the server where a file names it and the caller has not admitted its command.

        Raises:
            UsageError: the message has the option that admits it.
        """
        check_command(self.name, allow, "an MCP server")

    @classmethod
    def given(cls, value: Any, info: ValidationInfo) -> Self | None:
        """What a setting holds, from Python or from a file; None where it is something else.

        Raises:
            UsageError: a file names a command that is not admitted.
            GraphError: what a file says of it does not fit.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict) or set(value) != {"mcp"}:
            return None
        found = cls.model_validate(value["mcp"])
        if info.context is not None and info.context["allow"] is not None:  # it is from a file
            found.check(info.context["allow"])
        return found

    def to_json(self) -> dict[str, Any]:
        """As a graph file has it: what is not as always."""
        return {"mcp": self.model_dump(mode="json", exclude_defaults=True)}

    def kept(self) -> AbstractContextManager[ToolServer]:
        """The server, until this is left: shared with all that use it meanwhile, and started at its first use.

        Runs keep it for themselves; around several, this keeps one server for all of them.
        """
        return leased(Launch(self.command, self.env, os.getcwd(), self.start_seconds))


def servers_of(node: Node) -> Iterator[McpTools]:
    """The MCP servers that a node's settings hold."""
    for name in type(node).model_fields:
        for each in options(getattr(node, name)):
            yield from (one for one in (each if isinstance(each, tuple) else (each,)) if isinstance(one, McpTools))
