"""JSON as models write it: among prose, in fences, with comments, single quotes or a comma too many.

Libraries that repair JSON complete what was cut off and take quadratic time on hostile texts, so what models write is
rewritten token by token as strict JSON, and the standard library decides. A text that was cut off stays unreadable.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from ...records.written_float import WrittenFloat

__all__ = ["lists_in", "object_end", "object_in", "objects_in", "with_latex"]

_STARTS = 64
"""How many opening braces are tried."""
_NESTED = 256
"""How many objects within objects are looked at."""
_TOLERANCE = 4
"""How often a text is read token by token, in times of its length."""
_DEPTH = 200
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.{0,999}?\*/|\#[^\n]*)
  | (?P<mark>[{}\[\]:,])
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|“(?:[^”\\]|\\.)*”)
  | (?P<bare>[^\s{}\[\]:,"'“]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_LITERALS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\r", "'": "'", '"': '"', "\\": "\\"}
_LATEX = re.compile(r"[\b\f]|\t(?=ext|imes|heta|frac|an\b|riangle|o\b)|\r(?=ight|ho\b|m\{)|\n(?=eq\b|e\b|abla|mid\b)")
_COMMANDS = {"\b": "\\b", "\f": "\\f", "\t": "\\t", "\r": "\\r", "\n": "\\n"}


def object_in(text: str, key: str) -> dict[str, Any] | None:
    """The first object of a text that has the key, also where it is wrapped in others."""
    return next((found for outer, _, _ in objects_in(text) for found in _within(outer) if key in found), None)


def object_end(text: str, start: int, stop: int) -> int | None:
    """Where the object ends that begins at a place; None where none does.

    Args:
        text: what was written.
        start: of the object.
        stop: up to where it is looked for, unless it is strict JSON.
    """
    decoder = json.JSONDecoder(strict=False, parse_float=WrittenFloat)
    try:
        value, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        strict, end = _strict(text, start, stop)
        try:
            value = decoder.decode(strict)
        except (ValueError, RecursionError):
            return None
    return end if isinstance(value, dict) and not _too_deep(text[start:end]) else None


def objects_in(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    """The outermost objects of a text, each with where it begins and ends."""
    return ((found, start, end) for found, start, end in _values_in(text, "{") if isinstance(found, dict))


def lists_in(text: str) -> Iterator[tuple[list[Any], int, int]]:
    """The outermost lists of a text, each with where it begins and ends."""
    return ((found, start, end) for found, start, end in _values_in(text, "[") if isinstance(found, list))


def _values_in(text: str, opening: str) -> Iterator[tuple[Any, int, int]]:
    decoder = json.JSONDecoder(strict=False, parse_float=WrittenFloat)
    position, tolerance = text.find(opening), _TOLERANCE * len(text)
    for _ in range(_STARTS):
        if position < 0:
            return
        value = None
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):  # Not JSON from here, a number of too many digits, or nested too deep.
            strict, end = _strict(text, position, position + tolerance)
            tolerance -= end - position
            try:
                value = decoder.decode(strict)
            except (ValueError, RecursionError):
                end = position + 1
        if isinstance(value, dict | list) and not _too_deep(text[position:end]):
            yield value, position, end
        position = text.find(opening, end)


def with_latex(value: str) -> str:
    r"""A text of JSON in which `\frac` and its like, which escape nothing, were read as escapes."""
    return _LATEX.sub(lambda sign: _COMMANDS[sign[0]], value)


def _within(outer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An object, then those that it holds, level by level."""
    waiting: deque[Any] = deque([outer])
    for _ in range(_NESTED):
        if not waiting:
            return
        value = waiting.popleft()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _too_deep(said: str) -> bool:
    """Whether objects and lists lie so deep within each other that whoever walks through them may fall."""
    if said.count("{") + said.count("[") <= _DEPTH:
        return False
    depth = 0
    for mark in _BRACKET.finditer(said):
        depth += (mark[0] in "{[") - (mark[0] in "}]")
        if depth > _DEPTH:
            return True
    return False


def _strict(text: str, start: int, stop: int) -> tuple[str, int]:
    """The object that begins at a place as strict JSON, and where it ends; empty where it does not end."""
    written: list[str] = []
    depth, position = 0, start
    while depth or position == start:
        token = _TOKEN.match(text, position)
        if token is None or token.end() > stop or depth > _DEPTH:
            return "", position
        position = token.end()
        kind, said = token.lastgroup, token[0]
        if kind == "mark":
            depth += (said in "{[") - (said in "}]")
            if said in "}]" and written[-1] == ",":
                written.pop()
        if kind != "space":
            written.append(said if kind == "mark" else _string(said) if kind == "text" else _bare(said))
    return " ".join(written), position


def _string(said: str) -> str:
    if said[0] == '"':
        return _ESCAPE.sub(lambda escape: escape[0] if escape[1] in '"\\/bfnrtu' else f"\\\\{escape[1]}", said)
    return json.dumps(_ESCAPE.sub(lambda escape: _MEANT.get(escape[1], escape[0]), said[1:-1]))


def _bare(said: str) -> str:
    said = _LITERALS.get(said, said)
    return said if _LITERAL.fullmatch(said) else json.dumps(said)
