"""Tools of a model. Of a function of the user's own, name, description and arguments follow from the function."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NotRequired, Required, TypeAlias, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, ValidationInfo
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from typing_extensions import TypedDict

from ..errors import GraphError
from ..records.text import encodable, single_spaced
from .callables import CallableSort, Given, Imported, callable_json
from .mcp_tools import McpTools
from .tool_costs import price_of

__all__ = [
    "DESCRIPTION",
    "MOST_TOOLS",
    "NAME",
    "TOOL",
    "Tool",
    "ToolSource",
    "check_names",
    "sources_json",
    "tool_of",
    "tools_from",
    "tools_json",
    "untitled",
]

ToolSource: TypeAlias = Imported | Given | McpTools
"""Where tools come from: a function is one, a server lists some."""

TOOL = CallableSort("tool", "name a function with type hints, or an object that can be called", paid=True)
MOST_TOOLS = 128
"""As many as OpenAI takes."""
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI takes as a name."""
DESCRIPTION = 1024
"""The most characters of a description that a model is told."""
_PROBLEMS = 3
"""How many faults of a call's arguments a model is told of."""
_FAULT = 120
_VALUES = frozenset(("default", "const", "enum", "examples"))
"""What in a schema is no schema."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """What a model can call."""

    name: str
    """For the model: a function's own."""
    description: str
    """A function's docstring."""
    parameters: dict[str, Any]
    """JSON schema of its arguments, by a function's type hints."""
    function: Callable[..., Any]
    arguments: Callable[[dict[str, Any]], dict[str, Any]]
    """The arguments of a call as the function takes them; what is left out has the function's default. It raises
    ValueError where they do not fit; the text says where, for the model."""
    usd: int = 0
    """The most that a call costs, in billionths of a dollar."""

    def to_json(self) -> dict[str, Any]:
        """As the field `function` of a chat completion's tool."""
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


def tools_from(value: Any, info: ValidationInfo) -> tuple[ToolSource, ...]:
    """The setting `tools` of a node: functions, their names "module:name", or `McpTools`.

    Raises:
        UsageError: a file names a module or a command that is not admitted.
        ValueError: it holds something else.
    """
    listed = list(value) if isinstance(value, list | tuple) else [value]
    found: list[ToolSource] = []
    for each in listed:
        source = McpTools.given(each, info) or TOOL.named(each, info) or TOOL.given(each)
        if source is None:
            raise ValueError('give functions, their names such as "my_app:search", or McpTools(command=...)')
        found.append(source)
    if not 1 <= len(found) <= MOST_TOOLS:
        raise ValueError(f"give 1 to {MOST_TOOLS} tools, not {len(found)}")
    return tuple(found)


def tool_of(source: Imported | Given) -> Tool:
    """A function as a tool.

    Raises:
        UsageError: it cannot be imported.
        GraphError: a model could not call it; the message says why, and what to do.
    """
    function = source.function()
    usd = price_of(function, source.name)  # not kept, as it may be stated anew
    try:
        return _known(function, source.name, usd)
    except TypeError:  # an object that has no hash
        return _made(function, source.name, usd)


def tools_json(tools: Iterable[Tool], more: Sequence[dict[str, Any]] = ()) -> str:
    """Tools as `Request.tools`.

    Args:
        tools: in the order in which a model is told them.
        more: what stands for further ones, as they are written there.
    """
    listed = [{"type": "function", "function": tool.to_json()} for tool in tools]
    text = encodable(json.dumps(listed, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    return json.dumps([*json.loads(text), *more], ensure_ascii=False) if more else text


def sources_json(value: Any) -> Any:
    """The setting `tools` as JSON values."""
    if isinstance(value, tuple):
        return [sources_json(each) for each in value]
    return value.to_json() if isinstance(value, McpTools) else callable_json(value)


def check_names(tools: Sequence[Tool]) -> None:
    """Refuses two tools of one name.

    Raises:
        GraphError: the message has the name.
    """
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise GraphError(f"two tools are called {name!r}; give each a name of its own, so that a call says which")


@lru_cache(maxsize=256)
def _known(function: Callable[..., Any], place: str, usd: int) -> Tool:
    return _made(function, place, usd)


def _made(function: Callable[..., Any], place: str, usd: int) -> Tool:
    name = str(getattr(function, "__name__", None) or type(function).__name__)
    if not NAME.fullmatch(name):
        raise GraphError(
            f"tool {place!r} is called {name!r}, which endpoints refuse; define it with `def` under a name of ASCII "
            "letters, digits, _ and -, 64 at most"
        )
    adapter: TypeAdapter[dict[str, Any]]
    try:
        adapter = TypeAdapter(_arguments(function, name, place))
        parameters = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
        first = str(error).strip().splitlines()[0]
        raise GraphError(
            f"tool {place!r}: its type hints cannot be told to a model: {first}; take types that JSON has, or pydantic "
            "models"
        ) from None
    _add_defaults(parameters["properties"], function, place)
    description = (inspect.getdoc(function) or "")[:DESCRIPTION]
    read = partial(_read, adapter)
    return Tool(name, description, untitled(parameters), function, read, usd)


def _read(adapter: TypeAdapter[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """See `Tool.arguments`."""
    try:
        return adapter.validate_json(json.dumps(given))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        told = [f"{_place(fault['loc'])}: {fault['msg']}"[:_FAULT] for fault in faults[:_PROBLEMS]]
        raise ValueError("; ".join(map(single_spaced, told))) from None


def _add_defaults(properties: dict[str, Any], function: Callable[..., Any], place: str) -> None:
    """Tells what is taken for an argument that is left out, where that is a plain value."""
    for name, parameter in _signature(function, place).parameters.items():
        plain = isinstance(parameter.default, str | int | None)
        if plain or (isinstance(parameter.default, float) and math.isfinite(parameter.default)):
            properties[name].setdefault("default", parameter.default)


def untitled(schema: Any) -> Any:
    """The schema without the titles that pydantic makes of names: a model pays for them and learns nothing."""
    if isinstance(schema, list):
        return [untitled(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: part if name in _VALUES else untitled(part)
        for name, part in schema.items()
        if name != "title" or not isinstance(part, str)
    }


def _arguments(function: Callable[..., Any], name: str, place: str) -> Any:
    """The arguments as a class of dictionaries, which admits any name of a parameter."""
    hints = _hints(function, place)
    fields: dict[str, Any] = {}
    for parameter in _signature(function, place).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
            raise GraphError(
                f"tool {place!r}: parameter '{stars}{parameter.name}' cannot be given by a name of its own, as models "
                "give all arguments; declare each one"
            )
        if parameter.name not in hints:
            raise GraphError(
                f"tool {place!r}: parameter {parameter.name!r} has no type hint, so a model cannot be told what to "
                f"give; write for example `{parameter.name}: str`"
            )
        needed = parameter.default is parameter.empty
        fields[parameter.name] = (Required if needed else NotRequired)[hints[parameter.name]]
    make: Any = TypedDict  # type checkers know its call only with fields that stand there
    made = make(name, fields)
    made.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    return made


def _signature(function: Callable[..., Any], place: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise GraphError(
            f"tool {place!r} does not tell its parameters; wrap it in a function with type hints"
        ) from None


def _hints(function: Callable[..., Any], place: str) -> dict[str, Any]:
    held: Any = getattr(function, "func", function)  # of a partial, what it calls
    if not (inspect.isroutine(held) or inspect.isclass(held)):
        held = type(held).__call__
    try:
        return get_type_hints(held.__init__ if inspect.isclass(held) else held, include_extras=True)
    except Exception as error:  # noqa: BLE001 - a hint is the user's own, and may be any expression
        raise GraphError(
            f"tool {place!r}: its type hints cannot be read ({type(error).__name__}: {error}); use names that its "
            "module holds at its top"
        ) from None


def _place(steps: tuple[int | str, ...]) -> str:
    return ".".join(map(str, steps)) or "arguments"
