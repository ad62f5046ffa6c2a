"""What an MCP server lists, as tools of a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from ..errors import ToolServerError
from ..models.tools import tools_size
from ..records.text import longest_bytes, single_spaced
from .mcp_tools import McpTools
from .outputs import validator_of
from .servers.server import ListedTool, ToolServer
from .tool_costs import ToolResult, billionths
from .tools import DESCRIPTION, NAME, Tool, tools_json, untitled

__all__ = ["listed_tools", "placeholder_tool", "told_size"]

_REFUSED = re.compile(r"[^a-zA-Z0-9_-]")
"""What endpoints refuse in a name, and servers use, such as a dot."""
_UNTOLD = ("$schema", "$id")
"""What in a schema says nothing to a model."""
_SEARCHED = '"patternProperties"'
_PROBLEMS = 3
"""How many faults of a call's arguments a model is told of."""
_FAULT = 200


def listed_tools(source: McpTools, server: ToolServer, listed: Sequence[ListedTool]) -> list[Tool]:
    """The tools of a server that are offered, by their names, so that a server's order changes no prompt.

    Args:
        source: the setting.
        server: that it has started.
        listed: what the server lists.

    Raises:
        ToolServerError: that cannot be offered; the message says why, and what to do.
    """
    missing = [name for name in source.only if all(tool.name != name for tool in listed)]
    if missing:
        there = _named(sorted(tool.name for tool in listed)) or "none"
        raise _fault(source, f"lists no tool {missing[0]!r}; there are {there}")
    offered = [tool for tool in listed if not source.only or tool.name in source.only]
    if not offered:
        raise _fault(source, "lists no tools; take it out")
    tools = sorted((_tool(source, server, each) for each in offered), key=lambda tool: tool.name)
    _check_size(source, tools)
    return tools


def told_size(tools: Sequence[Tool]) -> int:
    """The most bytes that tools take in a prompt, whether as a part of the request or one a line in words."""
    lines = sum(longest_bytes(json.dumps(tool.to_json(), ensure_ascii=False)) + 1 for tool in tools)
    return max(tools_size(tools_json(tools)), lines)


def placeholder_tool(source: McpTools, filler: str) -> dict[str, Any]:
    """What stands for a server's tools in a prompt that is only measured: as large as they can be."""
    return {"type": "function", "function": {"name": filler * source.schema_bytes}}


def _tool(source: McpTools, server: ToolServer, listed: ListedTool) -> Tool:
    name = source.prefix + _REFUSED.sub("_", listed.name)
    if not listed.name or not NAME.fullmatch(name):
        raise _fault(
            source,
            f"lists a tool that is called {listed.name!r:.{_FAULT}}; endpoints take names of 1 to 64 characters; name "
            "those that you want in only=(...)",
        )
    parameters = {key: value for key, value in listed.parameters.items() if key not in _UNTOLD}
    try:
        schema = json.dumps(parameters)
    except (ValueError, RecursionError) as error:
        raise _fault(source, f"lists the tool {listed.name!r} with a schema that is not JSON: {error}") from None
    wrong = _schema_fault(parameters)
    if wrong:
        raise _fault(
            source,
            f"lists the tool {listed.name!r} with a schema of its arguments that is none: {wrong[:_FAULT]}; name those "
            "that you want in only=(...)",
        )

    async def call(**arguments: Any) -> ToolResult:
        return await server.call(listed.name, arguments)

    read = partial(_arguments, schema)
    usd = billionths(source.usd_per_call)
    return Tool(name, listed.description[:DESCRIPTION], untitled(parameters), call, read, usd)


def _schema_fault(schema: dict[str, Any]) -> str:
    """Why something is no JSON schema; empty where it is one. Endpoints refuse a request with such a tool."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    except RecursionError:
        return "it is nested too deep"
    return ""


def _arguments(schema: str, given: dict[str, Any]) -> dict[str, Any]:
    """See `Tool.arguments`: as they are, but for those that the server would refuse.

    Where the schema cannot be followed here, for example as it refers to another place, the server is the judge.
    """
    if _SEARCHED in schema:  # by expressions of the server's, and without a limit on time
        return given
    try:
        faults = list(islice(validator_of(schema).iter_errors(given), _PROBLEMS))
    except Exception:  # noqa: BLE001 - a schema may break its validator in many ways
        return given
    if faults:
        told = (f"{fault.json_path.removeprefix('$.')}: {fault.message}"[:_FAULT] for fault in faults)
        raise ValueError("; ".join(map(single_spaced, told)))
    return given


def _check_size(source: McpTools, tools: Sequence[Tool]) -> None:
    size = told_size(tools)
    if size > source.schema_bytes:
        raise _fault(
            source,
            f"lists {len(tools)} tools that take {size:,} bytes in a prompt, and schema_bytes={source.schema_bytes:,}; "
            f"raise it to {size:,}, or name fewer in only=(...): {_named(each.name for each in tools)}",
        )


def _named(names: Iterable[str]) -> str:
    """As many as a message has room for; they are the server's, and may hold anything."""
    return ", ".join(map(repr, names))[:_FAULT]


def _fault(source: McpTools, what: str) -> ToolServerError:
    return ToolServerError(f"the MCP server {' '.join(source.command)!r} {what}")
