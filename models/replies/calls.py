"""The calls of tools in a message of a completion, in the shapes that endpoints give them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ...records.text import encodable
from ..tools import ToolCall

__all__ = ["read_calls"]

_ARGUMENTS = ("arguments", "input", "parameters", "args")
_IDS = ("id", "tool_call_id", "call_id")
_PARTS = frozenset(("tool_use", "tool_call", "function_call", "functioncall"))
"""Types of parts of a content that are calls."""
_MOST = 128
"""Calls of one reply that are read."""


def read_calls(message: object) -> tuple[ToolCall, ...]:
    """Reads the calls that a message asks for, in order.

    They stand in `tool_calls`, alone in `function_call` as in older versions, or among the parts of the content.
    Arguments come as a JSON text or as the object itself; ids may be missing. A call without a name is kept, so that
    the model can be told; what is no object is none.

    Args:
        message: of a completion; a text holds no calls.
    """
    if not isinstance(message, Mapping):
        return ()
    found = (call for given in _given(message) if (call := _call(given)) is not None)
    return tuple(call for call, _ in zip(found, range(_MOST), strict=False))


def _given(message: Mapping[str, object]) -> Iterator[object]:
    listed = message.get("tool_calls")
    if listed:
        yield from listed.values() if isinstance(listed, Mapping) and "function" not in listed else _listed(listed)
        return
    if message.get("function_call"):
        yield message["function_call"]
        return
    for part in _listed(message.get("content")):
        if isinstance(part, Mapping):
            kind = str(part.get("type") or "").casefold()
            if kind in _PARTS:
                yield part
            elif isinstance(part.get("functionCall"), Mapping):  # Gemini's own format, as some proxies pass it on
                yield part["functionCall"]


def _listed(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [] if value is None or isinstance(value, str) else [value]


def _call(given: object) -> ToolCall | None:
    if not isinstance(given, Mapping):
        return None
    function = given.get("function")
    inner = function if isinstance(function, Mapping) else given
    named = inner.get("name") or (function if isinstance(function, str) else "") or given.get("name")
    arguments = next((inner[name] for name in _ARGUMENTS if inner.get(name) is not None), None)
    call_id = next((given[name] for name in _IDS if isinstance(given.get(name), str)), "")
    extra = given.get("extra_content")
    return ToolCall(
        encodable(named) if isinstance(named, str) else "",
        _as_text(arguments),
        encodable(call_id) if isinstance(call_id, str) else "",
        _as_json(extra) if isinstance(extra, Mapping) and extra else "",
    )


def _as_text(arguments: object) -> str:
    """Arguments as JSON text; none at all are an empty object."""
    if isinstance(arguments, str):
        return encodable(arguments)
    return "{}" if arguments is None else _as_json(arguments)


def _as_json(value: object) -> str:
    return encodable(json.dumps(value, ensure_ascii=False))
