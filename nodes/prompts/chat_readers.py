"""Readers of chat models' replies. A reply is data: it is searched and decoded, never evaluated.

All of them look at a bounded number of places, so that no reply, however long or nested, takes long to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ...records.message import Part
from ...records.text import encodable
from .base import Decomposition, ReasoningStep, SearchStep

__all__ = ["answer_in", "decomposition_in", "object_in", "search_step_in", "steps_in", "verdict_in"]

_LONGEST_LINE = 4000
"""Characters; a longer line is no line of a worked answer."""
_JSON_STARTS = 64
"""How many opening braces are tried."""
_STEPS = 64
"""The most steps of a reasoning text."""

_MARKED = re.compile(r"[\s>*_#`\-]{0,12}(?:the\s)?(?:final\s)?answer(?:\sis)?[\s*_`]{0,6}[:：](.*)", re.IGNORECASE)
_HASHES = re.compile(r"\s{0,12}####\s*(.*)")
_SENTENCE = re.compile(r".*\banswer\s(?:is|=)[\s*_`]{0,6}[:：]?(.*)", re.IGNORECASE)
_BOXED = "\\boxed{"
_WRAPPERS = (("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'), ("“", "”"), ("<", ">"), ("$", "$"), ("*", "*"))

_SEARCHED = re.compile(r"[\s>*_#`\-]{0,12}(query|search|answer)[\s*_`]{0,6}[:：](.*)", re.IGNORECASE)
_JUDGED = re.compile(r".{0,200}?\b(?:probability|confidence|score|verdict|likelihood)\b(.*)", re.IGNORECASE)
_FIGURE = re.compile(r"(?<![\w.])([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(%|(?:/|out of)\s*[0-9]{1,9})?(?!\w)")
_NO = re.compile(r"\b(?:no|false|wrong|incorrect|not\s(?:right|correct|true))\b", re.IGNORECASE)
_YES = re.compile(r"\b(?:yes|true|right|correct)\b", re.IGNORECASE)

_PLACEHOLDER = re.compile(r"\{\s*p?([0-9]{1,3})\s*\}|#([0-9]{1,3})\b", re.IGNORECASE)

_EXPRESSION = re.compile(r"[0-9(][0-9().,\s]*(?:[-+*/×÷−^%][0-9().,\s]*[0-9)][0-9().,\s]*)+")
_VALUE = re.compile(r"\s*([-+−]?\s?\$?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)")
_NUMBERING = re.compile(r"\s{0,12}[0-9]{1,3}[.)]\s")


def answer_in(text: str, *, whole: bool) -> str | None:
    r"""The answer that a reply ends in.

    In order: what follows the last `Answer:` (or `Final answer:`), the last `#### `, the last `\boxed{}`, the last
    `the answer is`; and where only an answer was asked for (`whole`), the reply itself.
    """
    lines = text.splitlines()
    for marker in (_MARKED, _HASHES):
        for position in reversed(range(len(lines))):
            found = marker.fullmatch(lines[position][:_LONGEST_LINE])
            if found is not None:
                below = next((line for line in lines[position + 1 :] if line.strip()), "")
                return _bare(found[1]) or _bare(below) or None
    boxed = _boxed(text)
    if boxed:
        return _bare(boxed) or None
    for line in reversed(lines):
        sentence = _SENTENCE.fullmatch(line[:_LONGEST_LINE])
        if sentence is not None and _bare(sentence[1]):
            return _bare(sentence[1])
    return (_bare(text) or None) if whole else None


def object_in(text: str, key: str) -> dict[str, Any] | None:
    """The first JSON object in a text that has the key, within fences or not."""
    return next((found for found in _objects(text) if key in found), None)


def decomposition_in(text: str) -> Decomposition | None:
    """Reads `{"parts": [...], "combine": "..."}`; a part may refer to earlier ones only."""
    found = object_in(text, "parts")
    if found is None or not isinstance(found["parts"], list) or not found["parts"]:
        return None
    parts: list[Part] = []
    for number, entry in enumerate(found["parts"], start=1):
        question = entry.get("question") if isinstance(entry, dict) else entry
        if not isinstance(question, str) or not question.strip():
            return None
        question, needs = _with_placeholders(question)
        if any(need >= number or need < 1 for need in needs):
            return None
        parts.append(Part(f"p{number}", question, tuple(f"p{need}" for need in needs)))
    combine = found.get("combine", "{p1}" if len(parts) == 1 else None)
    if not isinstance(combine, str) or not combine.strip():
        return None
    combine, used = _with_placeholders(combine)
    if any(not 1 <= number <= len(parts) for number in used):
        return None
    return Decomposition(tuple(parts), combine)


def search_step_in(text: str) -> SearchStep | None:
    """The first line that says `Query:` or `Answer:`; any further lines are the model playing both sides."""
    for line in text.splitlines():
        found = _SEARCHED.fullmatch(line[:_LONGEST_LINE])
        if found is None or not _bare(found[2]):
            continue
        if found[1].lower() == "answer":
            return SearchStep(answer=_bare(found[2]))
        return SearchStep(query=_bare(found[2]))
    return None


def verdict_in(text: str) -> float | None:
    """The probability that a judge gives, in [0, 1]: `Probability: 85`, `0.85`, `8/10`, `85 %`, or yes and no.

    The last line with a word like probability, confidence or verdict counts, or else the last line.
    """
    lines = [line[:_LONGEST_LINE] for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        judged = _JUDGED.fullmatch(line)
        if judged is not None:
            value = _probability(judged[1])
            if value is not None:
                return value
    return _probability(lines[-1]) if lines else None


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


def _bare(answer: str) -> str:
    """An answer without the marks that models put around it."""
    text = answer.strip()
    for _ in range(3):
        if text.startswith(_BOXED):
            text = _boxed(text) or text
        for opening, closing in _WRAPPERS:
            if len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing):
                text = text[len(opening) : -len(closing)].strip()
    if text.endswith(".") and not text.endswith("..."):
        text = text[:-1].rstrip()
    return text.removeprefix("**").removesuffix("**").strip()


def _boxed(text: str) -> str:
    r"""The content of the last `\boxed{...}`, braces counted."""
    start = text.rfind(_BOXED)
    if start < 0:
        return ""
    depth, begin = 1, start + len(_BOXED)
    for position in range(begin, min(len(text), begin + _LONGEST_LINE)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[begin:position]
    return ""


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    for _ in range(_JSON_STARTS):
        if position < 0:
            return
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):  # Not JSON from here, a number of too many digits, or nested too deep.
            end = position + 1
        else:
            yield value
        position = text.find("{", end)


def _with_placeholders(question: str) -> tuple[str, tuple[int, ...]]:
    """The question with its references written as `{p1}`, and the numbers they refer to."""
    numbers: dict[int, None] = {}

    def standard(match: re.Match[str]) -> str:
        number = int(match[1] or match[2])
        numbers[number] = None
        return f"{{p{number}}}"

    text = encodable(question).strip()
    return _PLACEHOLDER.sub(standard, text), tuple(numbers)


def _probability(text: str) -> float | None:
    figures = _FIGURE.findall(text)
    if not figures:
        if _NO.search(text):
            return 0.0
        return 1.0 if _YES.search(text) else None
    number, unit = next((figure for figure in figures if figure[1]), figures[0])
    value = float(number)
    if unit and unit != "%":
        whole = float(unit.removeprefix("/").removeprefix("out of"))
        value = value / whole if whole else -1.0
    elif unit == "%" or "." not in number or value > 1:
        value /= 100
    return value if 0 <= value <= 1 else None
