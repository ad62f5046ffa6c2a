"""The mark that a judge gives, read out of its reply."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..records.answers import number_of
from ..records.text import single_spaced

__all__ = ["Mark", "mark_in"]

_NAMES = r"(?:score|rating|grade|marks?|verdict|overall|total)"
_SCALE = r"(?:\s?\([^()\n]{0,40}\)|\s(?:out of|from)\s[\w. ]{0,30}?)?"
"""What may stand between the name and its sign: `Score (0-10):`, `Score out of 10:`."""
_OPENS = r"[\s\"'*_`(\[{<]*"
_LABELS = tuple(
    re.compile(rf"(?<![^\W_]){_NAMES}(?![^\W_])[\"'*_`)\]]*{_SCALE}[*_`]*\s?{sign}{_OPENS}", re.IGNORECASE)
    for sign in ("[:=]", r"is\b")
)
"""What announces a mark, the surer sign first. `score of 7` is none: that is how scales are explained."""
_FIGURE = re.compile(
    r"(?P<number>[-+−]?\d[\d.,'_]*)(?![^\W_])"
    r"(?:\s?(?:/|out of|of)\s?(?P<whole>\d[\d.,]*))?(?P<percent>\s?(?:%|per\s?cent\b))?",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s?(?:-|–|—|\bto\b|\bor\b)\s?\d", re.IGNORECASE)
_WORDS = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)?")
_AROUND = " \t*_#`\"'()[]{}<>."
_LONGEST = 40
"""Characters of a number."""
_REACH = 200
"""Characters in which a mark stands that is announced."""
_SHOWN = 80
"""Characters of a reply in a reason."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What was read: a mark on the scale, or why there is none."""

    value: float | None
    reason: str = ""
    """Empty where there is a mark."""


def mark_in(text: str, low: float, high: float, *, cut: bool = False) -> Mark:
    """The mark in a judge's reply.

    It stands behind `Score:`, `Rating`, `Grade`, `Mark`, `Verdict`, `Overall` or `Total`, in a field of JSON of that
    name, or alone on the last or the first line: `7`, `7.5`, `7,5`, `7/10`, `7 out of 10`, `[[7]]`, `seven`; within the
    last line only with the best of the scale behind it. Of several that are announced the last counts, so that what a
    judge quotes before its verdict does not. A range is no mark, and neither is one out of another number than the
    best of the scale; percentages are, where the scale ends at 1 or 100.

    Args:
        text: the reply, its reasoning taken out.
        low: the worst mark.
        high: the best.
        cut: whether the reply ended at its output cap: its last line may be half of something, and is left out.
    """
    said = text.rpartition("\n")[0] if cut else text
    for label in _LABELS:
        for found in reversed(list(label.finditer(said))):
            mark = _mark(said[found.end() : found.end() + _REACH], low, high)
            if mark is not None:
                return mark
    lines = [line.strip(_AROUND) for line in said.splitlines() if line.strip(_AROUND)]
    for line in (line[: _REACH + 1] for line in (*lines[-1:], *lines[:1])):
        figure = _FIGURE.match(line)
        mark = _mark(line, low, high) if figure is not None and not line[figure.end() :].strip(_AROUND) else None
        if mark is not None:
            return mark
    figures = _FIGURE.finditer(lines[-1][-_REACH:]) if lines else ()
    for share in [found for found in figures if found["whole"] and re.search("/|out", found[0], re.IGNORECASE)][-1:]:
        mark = _mark(share[0], low, high)
        if mark is not None and mark.value is not None:
            return mark
    shown = single_spaced(text)[-_SHOWN:]
    return Mark(None, f"no mark from {low:g} to {high:g} could be read from {shown!r}")


def _mark(said: str, low: float, high: float) -> Mark | None:
    """The mark with which a text begins; None where it begins with no number at all."""
    figure = _FIGURE.match(said)
    if figure is None:
        word = _WORDS.match(said)
        number = None if word is None else number_of(word[0])
        return None if number is None else _on_scale(float(number.value), word[0] if word else "", low, high)
    written = figure["number"].rstrip(".,'_")
    number = number_of(written.replace("−", "-").lstrip("+")) if len(written) <= _LONGEST else None
    if number is None:
        return Mark(None, f"{figure[0].strip()[:_LONGEST]!r} is no mark from {low:g} to {high:g}")
    value, shown = float(number.value), figure[0].strip()
    if _RANGE.match(said, figure.end()):
        return Mark(None, f"a range that begins with {shown!r} is no mark; one number from {low:g} to {high:g} is")
    if figure["percent"]:
        if low != 0 or high not in (1, 100):
            return Mark(None, f"the mark {shown!r} is a percentage, and the scale goes from {low:g} to {high:g}")
        value = value * high / 100
    if figure["whole"]:
        whole = number_of(figure["whole"].rstrip(".,"))
        if whole is None or float(whole.value) != high:
            return Mark(None, f"the mark {shown!r} is not out of {high:g}, the best of the scale")
    return _on_scale(value, shown, low, high)


def _on_scale(value: float, shown: str, low: float, high: float) -> Mark:
    if not low <= value <= high:
        return Mark(None, f"the mark {shown!r} lies outside the scale from {low:g} to {high:g}")
    return Mark(value)
