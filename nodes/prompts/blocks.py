"""What stands behind a marker: the rest of its line, or the paragraph, list, fence, display or object below."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...records.answers import folded, letter_of, number_of
from .json_text import objects_in, with_latex
from .sentences import answer_of, is_placeholder
from .written import Fence

__all__ = ["EXPLAINS", "Found", "Inner", "announced", "fenced", "field", "following"]

Inner: TypeAlias = Callable[[str], str]
"""Reads the answer in what stands within tags or a fence."""
_FIELDS = ("answer", "final_answer", "final answer", "finalanswer", "correct_answer", "answers")
_ALONE = ("result", "solution", "output", "response")
"""Fields that hold the answer where there is at most one other."""
EXPLAINS = re.compile(
    r"[ \t*_#>-]{0,8}(?:explanation|reasoning|note|because|since|this is|here|where|justification|check|verification"
    r"|i hope|hope this|let me know|steps?)\b|[ \t]*(?:-{3,}|\*{3,}|={3,})[ \t]*\Z",
    re.IGNORECASE,
)
"""A line below an answer that is no part of it."""
_SHORT = re.compile(
    r"[ \t]*(?!(?:and|or|but|which|with|so|that|the|this|it|i|we|you|thank|confidence)\b)"
    r"[^\s.:!?;=]+(?:[ \t]+[^\s.:!?;=]+){0,5}[ \t]*"
    r"|[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t].*",
    re.IGNORECASE,
)
"""A line that may go with others like it, and no sentence about them."""
_FEW = 64
_ITEM = re.compile(r"[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]")
_BRACKETS = (("```", "```"), ("~~~", "~~~"), ("$$", "$$"), ("\\[", "\\]"), ("{", "}"))
_BLANK = re.compile(r"(?:\s|^[-=*_]{3,}[ \t]*$)+", re.MULTILINE)
"""White space, and rules across the page."""
_QUOTED = re.compile(r"\A[ \t]*>[ \t]?")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]*([^#\s][^\n]*)")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, and the part of the text that gives it."""

    start: int
    end: int
    answer: str
    line: bool = False
    """Whether it ends with its line; else it may go on below."""

    def closed(self, text: str) -> bool:
        """Whether it is whole in a text that was cut off."""
        rest = text[self.end :]
        return bool(rest.strip()) or text[self.end - 1] in ">}]" or (self.line and rest.startswith("\n"))


def following(text: str, position: int, blocks: Sequence[Fence], inner: Inner) -> Found | None:
    """What follows a marker: the rest of its line with what goes with it, or the block below; None for no answer.

    Args:
        text: the reply.
        position: where the marker ends.
        blocks: the fences of the text.
        inner: reads what stands in a fence.
    """
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    line = text[position:end].strip()
    opens = any(line.startswith(opening) and closing not in line[2:] for opening, closing in _BRACKETS)
    if opens or not line.strip("*_ "):
        return _block(text, position, blocks, inner)
    fence = announced(text, end, blocks) if line.endswith((":", " is")) else None
    if fence is not None:
        return Found(position, fence.end, fenced(fence, inner))
    if is_placeholder(line):
        return _block(text, end, blocks, inner) if line.endswith((":", " is")) else None
    further = _continued(text, line, end)
    return Found(position, further, answer_of(text[position:further]), line=further == end)


def _continued(text: str, first: str, end: int) -> int:
    """Where the lines end that an answer has beside the one of its marker: up to a blank one, all short and alike."""
    if number_of(first) is not None or letter_of(folded(first)):
        return end
    lines = text[end : text.find("\n\n", end) if "\n\n" in text[end:] else len(text)].rstrip()
    alike = [_SHORT.fullmatch(line) and not EXPLAINS.match(line) for line in (first, *lines.splitlines()[1:])]
    return end + len(lines) if len(alike) <= _FEW and all(alike) else end


def announced(text: str, position: int, blocks: Sequence[Fence]) -> Fence | None:
    """The fence that follows a place directly."""
    begin = len(text) - len(text[position:].lstrip())
    return next((block for block in blocks if block.start <= begin < block.end), None)


def _block(text: str, position: int, blocks: Sequence[Fence], inner: Inner) -> Found | None:
    """The fence, the display, the object or the paragraph that begins at a place."""
    blank = _BLANK.match(text, position)
    begin = position if blank is None else blank.end()
    fence = announced(text, begin, blocks)
    if fence is not None:
        return Found(begin, fence.end, fenced(fence, inner))
    for opening, closing in _BRACKETS:
        end = text.find(closing, begin + len(opening)) if text.startswith(opening, begin) else -1
        if end >= 0 and opening != "{":
            return Found(begin, end + len(closing), answer_of(text[begin + len(opening) : end]))
    if text.startswith("{", begin):
        value, start, end = next(objects_in(text[begin:]), ({}, -1, 0))
        if start == 0:
            return Found(begin, begin + end, field(value) or text[begin : begin + end])
    return _paragraph(text, begin, blocks, inner)


def _paragraph(text: str, begin: int, blocks: Sequence[Fence], inner: Inner) -> Found | None:
    """The lines from a place up to a blank one or one that explains; a list goes on over blank lines."""
    lines: list[str] = []
    position = end = begin
    while position < len(text):
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop
        line = _QUOTED.sub("", text[position:stop])
        if line.lstrip().startswith(("#", "```", "~~~")) or (lines and EXPLAINS.match(line)):
            break
        listed = bool(lines) and _ITEM.match(lines[0]) and _ITEM.match(text, stop + 1)
        if not line.strip() and not listed:
            break
        if line.strip():
            lines.append(line)
            end = stop
        position = stop + 1
    heading = _HEADING.match(text, begin)
    if not lines and heading and number_of(heading[1]) is not None:
        return Found(begin, heading.end(), answer_of(heading[1]))
    said = "\n".join(lines)
    fence = announced(text, end, blocks) if said.rstrip().endswith((":", " is")) else None
    if fence is not None:
        return Found(begin, fence.end, fenced(fence, inner))
    return None if is_placeholder(said) else Found(begin, end, answer_of(said))


def fenced(fence: Fence, inner: Inner) -> str:
    """The answer in a fence: a program as it is, and of other texts what they give as theirs."""
    return fence.content if fence.code else inner(fence.content)


def field(found: dict[str, Any]) -> str:
    """The answer that an object holds; empty where it holds none."""
    fields = {name.strip().casefold(): value for name, value in found.items()}
    for name in (*_FIELDS, *(_ALONE if len(fields) <= 2 else ())):
        value = fields.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return str(value)
        if isinstance(value, str) and not is_placeholder(value):
            return answer_of(with_latex(value))
        if isinstance(value, dict):
            return field(value) or json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            texts = all(isinstance(item, str) for item in value)
            return ", ".join(value) if texts else json.dumps(value, ensure_ascii=False)
    return ""
