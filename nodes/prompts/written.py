r"""What models put around an answer: emphasis, quotation marks, math marks, boxes, code fences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

__all__ = ["Box", "Fence", "boxes", "fences", "finished", "tidy"]

_LAYERS = 6
_PAIRS = (
    *(("```", "```"), ("**", "**"), ("__", "__"), ("`", "`"), ("$$", "$$"), ("$", "$"), ("*", "*"), ("~~", "~~")),
    *(
        ('"', '"'),
        ("'", "'"),
        ("“", "”"),
        ("‘", "’"),
        ("«", "»"),
        ("「", "」"),
        ("<", ">"),
        ("[[", "]]"),
        ("\\(", "\\)"),
        ("\\[", "\\]"),
    ),
)
_STYLED = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf|normal)?|math(?:rm|bf|it|sf|tt)|mbox|boxed|fbox|emph)\s?\{([^{}]*)\}"
    r"|<(?P<tag>b|strong|i|em|u|code|mark|span|p)>(.*)</(?P=tag)>",
    re.IGNORECASE | re.DOTALL,
)
_CHEERED = re.compile(r"\s+[✅✔✓☑🎉👍⭐\ufe0f]+\Z")
_NAME = re.compile(r"__[a-z]+(?:_[a-z]+)*__")
"""A name with underlines that belong to it, such as `__init__`."""
_ABBREVIATED = re.compile(r"(?:\b[^\W\d_]\.){2,}\Z|\.\.\Z|…\Z")
"""Ends in periods that belong to it: U.S., p.m., and so on."""
_BOX = re.compile(r"\\(?:boxed|fbox)\s?(?:\{|(\w))")
_FINISHED = re.compile(r".*(?:\n|[.!?}>$)\]](?=\s))", re.DOTALL)
_BRACE = re.compile(r"(?<!\\)[{}]")
_BOXES = 64
"""How many boxes are read, the last ones of a text."""
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n`]*)$", re.MULTILINE)
_PROSE = frozenset(
    {"", "text", "txt", "plaintext", "plain", "markdown", "md", "json", "json5", "xml", "latex", "tex", "math"}
)


@dataclass(frozen=True, slots=True)
class Box:
    """A boxed part of a text."""

    start: int
    end: int
    content: str


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of a text."""

    start: int
    end: int
    content: str
    """Without the lines of the fence."""
    code: bool
    """Whether its language is one of programs; what looks like an answer in there is part of the program."""


def tidy(answer: str) -> str:
    """An answer without the marks around it and without the period that ends its sentence."""
    text = _CHEERED.sub("", answer.strip())
    for _ in range(_LAYERS):
        before = text
        styled = _STYLED.fullmatch(text)
        if styled:
            text = (styled[1] or styled[3] or "").strip()
        for opening, closing in _PAIRS:
            if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
                inner = text[len(opening) : -len(closing)]
                if opening not in inner and closing not in inner and not _NAME.fullmatch(text):
                    text = inner.strip()
        if text.endswith((".", "。")) and not _ABBREVIATED.search(text[-12:]):
            text = text[:-1].rstrip()
        if text == before:
            break
    return text.removeprefix("**").removesuffix("**").strip() if text.count("**") == 1 else text


def finished(text: str) -> str:
    """A text that was cut off, up to where its last line, sentence or bracket ended."""
    closed = _FINISHED.match(text)
    return closed[0] if closed else ""


def boxes(text: str) -> tuple[Box, ...]:
    """The last boxes of a text, braces counted; one that does not close is none, and neither is an empty one."""
    begins = list(_BOX.finditer(text))[-_BOXES:]
    closing = _closing(text, begins[0].start()) if begins else {}
    found: list[Box] = []
    for begin in begins:
        end = begin.end() if begin[1] else closing.get(begin.end() - 1, 0)
        content = begin[1] or text[begin.end() : end - 1]
        if end and content.strip() and not (found and begin.start() < found[-1].end):
            found.append(Box(begin.start(), end, content))
    return tuple(found)


def fences(text: str) -> Iterator[Fence]:
    """The fenced blocks of a text; the last one may lack its closing line."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            opened = line
        elif line[2].startswith(opened[2]) and not line[3].strip():
            yield _fence(text, opened, line.start(), line.end())
            opened = None
    if opened is not None:
        yield _fence(text, opened, len(text), len(text))


def _fence(text: str, opened: re.Match[str], stop: int, end: int) -> Fence:
    content = text[opened.end() + 1 : stop]
    language = (opened[3].split() or [""])[0].lower()
    return Fence(opened.start(), end, (dedent(content) if opened[1] else content).strip("\n"), language not in _PROSE)


def _closing(text: str, start: int) -> dict[int, int]:
    """Where the brace that is opened at a place is closed."""
    opened: list[int] = []
    closing: dict[int, int] = {}
    for brace in _BRACE.finditer(text, start):
        if brace[0] == "{":
            opened.append(brace.start())
        elif opened:
            closing[opened.pop()] = brace.end()
    return closing
