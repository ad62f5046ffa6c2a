"""Tools as models see them: the calls that they write, and how much of a prompt tools and calls take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..records.text import longest_bytes

__all__ = ["CALL_TOKENS", "ToolCall", "call_size", "calls_as_sent", "calls_from", "tools_size"]

CALL_TOKENS = 32
"""What templates put around a call in a prompt: its marks, the names of its fields, its id."""
_ESCAPED = "<>&"
_ESCAPE_BYTES = 5
"""What such a sign grows by where a server writes it as an escape, as Go's JSON does."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that a model asks for."""

    name: str
    arguments: str
    """As the model wrote them: mostly a JSON object, but whoever reads them must expect anything."""
    call_id: str = ""
    """By which the endpoint matches a result to its call."""
    extra: str = ""
    """JSON of what the endpoint wants back with the call (`extra_content`, such as Gemini's signature of its thought);
    empty where there is none."""


def call_size(call: ToolCall) -> int:
    """The most tokens that a call of an earlier turn takes in a prompt, whose template may space its JSON."""
    written = call.arguments
    spaces = written.count(",") + written.count(":")
    escapes = sum(map(written.count, _ESCAPED)) * _ESCAPE_BYTES
    return CALL_TOKENS + sum(map(longest_bytes, (call.name, written, call.extra))) + spaces + escapes


@lru_cache(maxsize=256)
def tools_size(tools: str) -> int:
    """The most tokens that the tools of a request take in its prompt, instructions of the template aside.

    Templates write schemas as compact JSON, as indented JSON (Llama 3) or as types (gpt-oss); the longest is taken.

    Args:
        tools: as `Request.tools`.
    """
    if not tools:
        return 0
    value = json.loads(tools)
    indented = max(longest_bytes(json.dumps(value, indent=4, ensure_ascii=ascii_only)) for ascii_only in (True, False))
    return indented + sum(map(tools.count, _ESCAPED)) * _ESCAPE_BYTES


def calls_as_sent(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Calls of an earlier turn as the field `tool_calls` of its message."""
    return [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
            **({"extra_content": json.loads(call.extra)} if call.extra else {}),
        }
        for call in calls
    ]


def calls_from(fields: Sequence[Sequence[str]]) -> tuple[ToolCall, ...]:
    """Calls as a stored reply holds them, each as a list of its fields.

    Raises:
        TypeError, ValueError: they are none.
    """
    if not all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in fields):
        raise ValueError("tool_calls must be lists of texts")
    return tuple(ToolCall(*each) for each in fields)
