"""Readers of chat models' replies. A reply is data: it is searched and decoded, never evaluated.

All of them look at a bounded number of places, so that no reply, however long or nested, takes long to read.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ...models.reasoning import split_reasoning
from ...records.message import Part
from ...records.text import encodable
from .answers import answer_in
from .base import Decomposition, ReasoningStep, SearchStep
from .json_text import object_in, objects_in
from .sentences import answer_of
from .written import tidy

__all__ = ["decomposition_in", "search_step_in", "steps_in"]

_LONGEST_LINE = 4000
"""Characters; a longer line is no line of a worked answer."""
_STEPS = 64
"""The most steps of a reasoning text."""

_STEP = re.compile(
    r"^[ \t>*_#`-]{0,12}(?:(?:final|next|search)[ ])?(?:query|search|answer)[ \t*_`]{0,6}[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_TAGGED_QUERY = re.compile(r"<(query|search)>([^<]{1,4000})</\1>", re.IGNORECASE)
_FIELDS = ("query", "search", "search_query")

_REFERENCE = re.compile(
    r"\{\s*(?P<named>p)?(?P<braced>[0-9]{1,3})\s*\}|(?P<before>\b\w+\s)?#(?P<hashed>[0-9]{1,3})\b", re.I
)
_RANKED = frozenset(("the", "a", "an", "its", "his", "her", "their", "our", "ranked", "rated", "number", "no"))
"""Before `#1` they tell that it is a rank and no part."""
_QUESTIONS = ("question", "text", "part", "query", "subquestion")

_EXPRESSION = re.compile(r"[0-9(][0-9().,\s]*(?:[-+*/×÷−^%][0-9().,\s]*[0-9)][0-9().,\s]*)+")
_VALUE = re.compile(r"\s*([-+−]?\s?\$?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)")
_NUMBERING = re.compile(r"\s{0,12}[0-9]{1,3}[.)]\s")


def decomposition_in(text: str) -> Decomposition | None:
    """Reads `{"parts": [...], "combine": "..."}`; a part may refer to earlier ones only."""
    found = object_in(split_reasoning(text).answer, "parts")
    listed = found["parts"] if found is not None else None
    entries = list(listed.values()) if isinstance(listed, dict) else listed
    if found is None or not isinstance(entries, list) or not entries:
        return None
    parts: list[Part] = []
    for number, entry in enumerate(entries, start=1):
        question, needs = _with_references(_question(entry), number)
        if not question or any(not 1 <= need < number for need in needs):
            return None
        parts.append(Part(f"p{number}", question, tuple(f"p{need}" for need in needs)))
    given = found.get("combine", "{p1}" if len(parts) == 1 else None)
    combine, used = _with_references(given, len(parts) + 1)
    if not combine or any(not 1 <= number <= len(parts) for number in used):
        return None
    return Decomposition(tuple(parts), combine)


def search_step_in(text: str) -> SearchStep | None:
    """The first line that says `Query:` or `Answer:`; any further lines are the model playing both sides.

    Without such a line, a field of JSON or a tag may say it, or the answer may be given in any other way.
    """
    said = split_reasoning(text).answer
    marks = list(_STEP.finditer(said))
    ends = (*(mark.start() for mark in marks[1:]), len(said))
    for mark, end in zip(marks, ends, strict=False):
        line = said[mark.end() : end].strip(" \t\r\n*_").partition("\n")[0]
        if tidy(line):
            return SearchStep(answer=answer_of(line)) if "answer" in mark[0].lower() else SearchStep(query=tidy(line))
    tagged = _TAGGED_QUERY.search(said)
    fields = next((found for found, _, _ in objects_in(said)), {})
    query = tagged[2] if tagged else next((fields[name] for name in _FIELDS if isinstance(fields.get(name), str)), "")
    if query.strip():
        return SearchStep(query=tidy(query))
    answer = answer_in(said, whole=False)
    return None if answer is None else SearchStep(answer=answer)


def steps_in(reasoning: str) -> tuple[ReasoningStep, ...]:
    """The calculations that a reasoning text claims: `47 + 83 = 130 * 2 = 260` has two."""
    steps: list[ReasoningStep] = []
    for line in reasoning.splitlines():
        sides = _NUMBERING.sub("", line[:_LONGEST_LINE], count=1).split("=")
        for left, right in pairwise(sides):
            expressions = _EXPRESSION.findall(left[-200:])
            value = _VALUE.match(right)
            if expressions and value is not None and left.rstrip().endswith(expressions[-1].rstrip()):
                steps.append(ReasoningStep(f"{expressions[-1].strip()} = ?", value[1].strip()))
    return tuple(steps[:_STEPS])


def _question(entry: object) -> object:
    return next((entry[name] for name in _QUESTIONS if name in entry), None) if isinstance(entry, dict) else entry


def _with_references(question: object, below: int) -> tuple[str, tuple[int, ...]]:
    """The question with its references written as `{p1}`, and the numbers they refer to.

    `#1` and `{1}` are references only where there is such a part before; `{p1}` always is one.
    """
    if not isinstance(question, str):
        return "", ()
    numbers: dict[int, None] = {}

    def standard(match: re.Match[str]) -> str:
        number = int(match["braced"] or match["hashed"])
        ranked = (match["before"] or "").strip().casefold() in _RANKED
        if not match["named"] and (ranked or not 1 <= number < below):
            return match[0]
        numbers[number] = None
        return f"{match['before'] or ''}{{p{number}}}"

    return _REFERENCE.sub(standard, encodable(question).strip()), tuple(numbers)
