"""What a message says: its answer, its reasoning, its refusal, wherever an endpoint puts them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Said", "read_message"]

_DEEPEST = 8
"""Levels of nesting that are looked into; real messages have three."""
_ANSWERS = frozenset(("", "text", "output_text", "input_text", "summary_text", "message"))
_REASONING = re.compile(r"(?:redacted_)?think(?:ing)?|thought|reasoning(?:[._]\w+)?")
_INNER = ("text", "value", "refusal", "thinking", "reasoning", "content", "summary", "parts")
"""Where a part keeps its text, in order."""
_REASONING_FIELDS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
    "thinking_blocks",
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a message holds, as texts."""

    answer: str
    reasoning: str = ""
    refusal: str = ""
    skipped: tuple[str, ...] = ()
    """The types of parts that are neither text nor reasoning nor refusal, and were left out."""


@dataclass(slots=True)
class _Heaps:
    answer: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    kinds: dict[str, None] = field(default_factory=dict)


def read_message(message: object) -> Said:
    """Reads a message of a completion.

    Its content may be a text, null, one part, or a list of parts and texts. Content that is other JSON (a number, an
    object that a JSON mode has parsed already) is read as its JSON text. A part of unknown type counts as text only
    where there is no other. Reasoning is taken from the first field that has some, else from the parts.

    Args:
        message: mostly an object with the field `content`; some endpoints send the text itself.
    """
    fields: Mapping[str, object] = message if isinstance(message, Mapping) else {"content": message}
    heaps = _Heaps()
    content = fields.get("content")
    if content is not None and not _is_text_or_parts(content):
        heaps.answer.append(json.dumps(content, ensure_ascii=False))
    else:
        _gather(content, heaps.answer, heaps, 0)
    _gather(fields.get("refusal"), heaps.refusal, heaps, 0)
    for value in filter(None, map(fields.get, _REASONING_FIELDS)):
        found: list[str] = []
        _gather(value, found, _Heaps(reasoning=found), 0)
        if any(found):
            heaps.reasoning = found
            break
    answer = heaps.answer if any(heaps.answer) or any(heaps.refusal) else heaps.other
    skipped = () if answer is heaps.other else tuple(heaps.kinds)
    return Said("".join(answer), "".join(heaps.reasoning), "".join(heaps.refusal), skipped)


def _is_text_or_parts(content: object) -> bool:
    if isinstance(content, list):
        return not content or any(isinstance(each, str) or _is_part(each) for each in content)
    return isinstance(content, str) or _is_part(content)


def _is_part(value: object) -> bool:
    return isinstance(value, Mapping) and any(name in value for name in ("type", "text", "parts"))


def _gather(value: object, into: list[str], heaps: _Heaps, depth: int) -> None:
    """Adds the texts within `value`, in order; parts of a type of their own go to the heap of that type."""
    if isinstance(value, str):
        into.append(value)
    elif depth < _DEEPEST and isinstance(value, list):
        for each in value:
            _gather(each, into, heaps, depth + 1)
    elif depth < _DEEPEST and isinstance(value, Mapping):
        inner = next((value[name] for name in _INNER if value.get(name) is not None), None)
        _gather(inner, _heap(value, into, heaps), heaps, depth + 1)


def _heap(part: Mapping[str, object], into: list[str], heaps: _Heaps) -> list[str]:
    kind = str(part.get("type") or "").casefold()
    if _REASONING.fullmatch(kind) or part.get("thought") is True:
        return heaps.reasoning
    if kind == "refusal":
        return heaps.refusal
    if kind in _ANSWERS:
        return into
    heaps.kinds[kind] = None
    return heaps.other
