"""The probability that a judge gives, in figures or in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...models.reasoning import split_reasoning
from ...records.answers import folded
from .json_text import objects_in

__all__ = ["verdict_in"]

_CALLED = re.compile(r"\b(probability|confidence|score|likelihood|verdict|judge?ment|conclusion|rating)\b")
_WORDED = frozenset({"verdict", "judgment", "judgement", "conclusion"})
"""What calls for a word first; the others call for a figure first."""
_BINARY = re.compile(r"\A[\s:*_=]*[01][\s*_.]*\Z")
_NAMED = re.compile(r"\A[^:=]{0,200}[:=]")
_FIGURE = re.compile(
    r"(?<![\w.,-])([0-9]{1,9}(?:[.,][0-9]{1,9})?)"
    r"\s?(%|percent\b|per cent\b|(?:/|out of|of)\s?[0-9]{1,9}(?![\w.]))?(?!\w)"
)
_OF_WRONG = re.compile(r"\bthat (?:the|this|its?)\b[^.;]{0,80}\b(?:wrong|incorrect|false|not (?:right|correct|true))\b")
_FAULTS = r"(?:errors?|mistakes?|issues?|problems?|flaws?|faults?|contradictions?|inconsistenc(?:y|ies)|slips?|doubts?)"
_FREE = re.compile(
    rf"\b(?:no|not|cannot|without|zero|never|free of)\s(?:\w+\s){{0,3}}?{_FAULTS}\b|n't\s(?:\w+\s){{0,3}}?{_FAULTS}\b"
    rf"|\b{_FAULTS}[- ]free\b|(?:\b(?:not|nothing)|n't)\s(?:\w+\s)?(?:wrong|incorrect|false|invalid)\b"
)
"""What finds nothing wrong, though it says no."""
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|hardly|neither|partly|partially|almost|nearly|unlikely)|n't)\s"
    r"(?:\w+\s){0,4}?(?:right|correct|true|valid|accurate|hold|accept(?:ed|able)?|agree|pass)\b"
)
_NO = re.compile(
    r"\b(?:bad|no|false|wrong|incorrect(?:ly)?|invalid|inaccurate|reject(?:ed)?|fail(?:s|ed)?|disagree|unlikely|untrue|flawed|refuted"
    rf"|{_FAULTS})\b|[✗✘❌]"
)
_YES = re.compile(
    r"\b(?:good|yes|true|right|correct(?:ly)?|valid|accurate|accept(?:ed|able)?|pass(?:es|ed)?|agree|sound|fine"
    r"|checks? out|verified|confirmed|holds)\b|[✓✔✅]"
)
_RULED = re.compile(
    r"\b(?:answer|solution|result|it|this|conclusion) (?:is|was|seems|looks|appears|must be) (?:\w+ ){0,2}?"
    r"(good|right|correct|true|valid|accurate|bad|wrong|incorrect|false|invalid)\b"
)
_FIELDS = ("probability", "confidence", "likelihood", "score", "verdict", "is_correct", "correct", "judgment", "answer")
_WHOLES = ("max_score", "max", "out_of")
_LONGEST_LINE = 4000


def verdict_in(text: str) -> float | None:
    """The probability that a judge gives, in [0, 1], or None.

    `Probability: 85`, `0,85`, `8/10`, `85 %`, a field of JSON, or words such as yes, not correct, no errors found. What
    follows the last word like probability, confidence or verdict counts, or else the last line.
    """
    said = split_reasoning(text).answer
    values = (_of_object(found) for found, _, _ in reversed(list(objects_in(said))))
    value = next((value for value in values if value is not None), None)
    return _of_lines([line for line in said.splitlines() if line.strip()]) if value is None else value


def _of_object(found: dict[str, Any]) -> float | None:
    fields = {name.casefold(): value for name, value in found.items()}
    given = next((fields[name] for name in _FIELDS if fields.get(name) is not None), None)
    whole = next((fields[name] for name in _WHOLES if fields.get(name) is not None), None)
    if isinstance(given, bool):
        return float(given)
    if isinstance(given, str):
        return _judged(folded(given[:_LONGEST_LINE]), worded=True)
    return None if given is None else _figure(f"{given}/{whole}" if whole else str(given))


def _of_lines(lines: Sequence[str]) -> float | None:
    below = ""
    for line in reversed(lines):
        said = folded(line[-_LONGEST_LINE:])
        for called in reversed(list(_CALLED.finditer(said))):
            rest = said[called.end() :]
            value = _judged(rest if rest.strip(" :*_`=>-") else below, worded=called[1] in _WORDED)
            if value is not None:
                return value
        below = said
    last = folded(lines[-1][-_LONGEST_LINE:]) if lines else ""
    figure = _FIGURE.search(last)
    if figure is not None and (figure[2] or figure[0] == last.rstrip(" .")):
        return _figure(last)
    return _word(last)


def _judged(said: str, *, worded: bool) -> float | None:
    word, figure = _word(said), _figure(said)
    if worded:
        return word if word is not None else float(said.strip(" :*_=.")) if _BINARY.search(said) else figure
    if figure is None:
        return None if _FIGURE.search(said) else word
    return 1 - figure if _OF_WRONG.search(said) else figure


def _figure(said: str) -> float | None:
    """The first figure with a unit, else the first: a percentage unless it is written as a share."""
    named = _NAMED.match(said)
    figures = _FIGURE.findall(said, named.end()) if named else []
    figures = figures or _FIGURE.findall(said)
    if not figures:
        return None
    number, unit = next((figure for figure in figures if figure[1]), figures[0])
    value = float(number.replace(",", "."))
    whole = re.search("[0-9]+", unit)
    if whole is not None:
        value = value / float(whole[0]) if float(whole[0]) else -1.0
    elif unit or value > 1 or number.isdigit():
        value /= 100
    return value if 0 <= value <= 1 else None


def _word(said: str) -> float | None:
    """1 for words of approval, 0 for those of rejection; where both stand, what is said of the answer decides."""
    plainly = _DENIED.sub(" bad ", _FREE.sub(" good ", said))
    approves, rejects = _YES.search(plainly) is not None, _NO.search(plainly) is not None
    if approves == rejects:
        ruled = _RULED.findall(plainly) if approves else []
        return float(_YES.fullmatch(ruled[-1]) is not None) if ruled else 0.0 if rejects else None
    return float(approves)
