"""The mark that a judge gives, read out of its reply."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..records.answers import number_of
from ..records.files import JsonFault, parse_json
from ..records.text import single_spaced

__all__ = ["Mark", "mark_in"]

_SURE = r"(?:score|rating|grade)"
_NAMES = rf"(?:{_SURE}|marks?|verdict|overall|total)"
_CLOSES = r"[\"'”’*_`)\]]{0,8}"
_SCALE = r"(?:\s?[(\[][^()\[\]\n]{0,40}[)\]]|\s(?:out of|from)\s[\w. ]{0,30}?)?"
"""What may stand between the name and its sign: `Score (0-10):`, `Score out of 10:`."""
_OPENS = r"(?:[\s\"'“‘*_`(\[{<$~≈]|\\boxed\b|(?:an?|about|around|roughly|approximately)\b)*"
_LABELS = tuple(
    re.compile(
        rf"(?:(?<![^\W_])(?:(?P<sure>{_SURE})|{_NAMES})(?![^\W_]){_CLOSES}{_SCALE}[*_`]{{0,4}}\s?"
        rf"(?P<sign>{sign})|(?P<tag>{tag})){_OPENS}",
        re.IGNORECASE,
    )
    for sign, tag in ((r"(?:is\s?)?[:=：]", rf"<[\w\- ]{{0,20}}{_NAMES}\s?>"), (r"is\b", r"(?!)"))
)
"""What announces a mark, the surer sign first. `score of 7` is none: that is how scales are explained."""
_FIRST = re.compile(_OPENS, re.IGNORECASE)
_WHOLE = (
    r"(?:[)\]}*_`\"'”’]{0,8}(?:[^\S\n]?(?:points?|stars?|marks?)\b)?[^\S\n]?[(\[]?(?:/|out of\b|of\b)[^\S\n]?"
    r"(?:an?[^\S\n](?:\w{1,12}[^\S\n])?(?:of[^\S\n])?)?[*_`\[]{0,8}(?P<whole>\d[\d.,]*|[A-Za-z]+(?![^\W_])))?"
)
"""`/10`, `out of 10`, `(out of a possible 10)`, `points out of ten`."""
_FIGURE = re.compile(
    rf"(?P<number>[-+−]?\d[\d.,'_]*)(?![^\W_]){_WHOLE}(?P<percent>[^\S\n]?(?:%|per\s?cent\b))?",
    re.IGNORECASE,
)
_WORD = re.compile(
    rf"(?P<number>[A-Za-z]+(?:-[A-Za-z]+)?)(?![^\W_]){_WHOLE}(?P<percent>[^\S\n]?per\s?cent\b)?", re.IGNORECASE
)
_RANGE = re.compile(r"[^\S\n]?(?:-|–|—|~|…|\bto\b|\bor\b)[^\S\n]?\d", re.IGNORECASE)
_SUM = re.compile(r"[^\S\n]?[+×x][^\S\n]?\d|[^\S\n]\d+[^\S\n]?/[^\S\n]?\d", re.IGNORECASE)
"""`3 + 4`, `7 1/2`."""
_GOES_ON = re.compile(r"[^\S\n]*(?!(?:points?|stars?|marks?|out|because|since|as|for)\b)[^\W_]", re.IGNORECASE)
"""Another word: `3 mistakes`."""
_FIELDS = tuple(re.compile(names, re.IGNORECASE) for names in (_SURE, _NAMES, rf"[\w -]{{0,20}}(?<![^\W_]){_NAMES}"))
"""Names of a field of JSON, the surest first."""
_OBJECT = re.compile(r"^[^\S\n]*(?:```\w*[^\S\n]*)?\{", re.MULTILINE)
_BEFORE = re.compile(r"[\s*_#>`\"'“(\[{-]*(?:[^\W\d_]{1,20}[ _-])?")
"""What may stand before a name in a line that is nothing but a mark: `**Final score: `."""
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

    It stands behind `Score:`, `Rating`, `Grade`, `Mark`, `Verdict`, `Overall` or `Total`, in a tag or a field of JSON
    of that name, or alone on the last or the first line: `7`, `7.5`, `7,5`, `7/10`, `7 out of 10`, `[[7]]`, `seven`;
    within the last line only with the best of the scale behind it. Of several that are announced the last counts, so
    that what a judge quotes before its verdict does not; where the last line that announces one has none, no other
    does. A range or a sum is no mark, and neither is one out of another number than the best of the scale; percentages
    are, where the scale ends at 1 or 100.

    Args:
        text: the reply, its reasoning taken out.
        low: the worst mark.
        high: the best.
        cut: whether the reply ended at its output cap: its last line may be half of something, and is left out.
    """
    said = text.rpartition("\n")[0] if cut else text
    for find in (_in_object, _announced, _alone, _share):
        mark = find(said, low, high)
        if mark is not None:
            return mark
    return _unread(text, low, high)


def _in_object(said: str, low: float, high: float) -> Mark | None:
    """The mark in a reply that ends with an object of JSON; None where that has no such field."""
    body = said.strip().removesuffix("```").rstrip()
    begins = _OBJECT.search(body) if body.endswith("}") else None
    if begins is None:
        return None
    try:
        fields = parse_json(body[begins.end() - 1 :])
    except JsonFault:
        return None
    for names in _FIELDS:
        given = [value for key, value in fields.items() if names.fullmatch(key.strip())]
        if given and not any(isinstance(value, dict | list) for value in given):
            written = str(given[0]).strip(_AROUND)
            mark = _mark(written, low, high) if len(given) == 1 else None
            return mark or _unread(body[:_SHOWN], low, high)
    return None


def _announced(said: str, low: float, high: float) -> Mark | None:
    """The last mark behind one of the names."""
    for label in _LABELS:
        for found in reversed(list(label.finditer(said))):
            vague = not (found["sure"] or found["tag"])
            mark = _mark(said[found.end() : found.end() + _REACH], low, high, alone=vague)
            if mark is not None:
                return mark
            before = f"\n{said[max(0, found.start() - _REACH) : found.start()]}".rpartition("\n")[2]
            if found["sign"] and not vague and _BEFORE.fullmatch(before):
                return _unread(before + said[found.start() : found.end() + _REACH].partition("\n")[0], low, high)
    return None


def _alone(said: str, low: float, high: float) -> Mark | None:
    """The mark that is the whole last line, or the first."""
    lines = [line.strip(_AROUND) for line in said.splitlines() if line.strip(_AROUND)]
    for line in (line[: _REACH + 1] for line in (*lines[-1:], *lines[:1])):
        opens = _FIRST.match(line)
        written = line[opens.end() if opens else 0 :]
        figure = _FIGURE.match(written) or _WORD.match(written)
        if figure is not None and not written[figure.end() :].strip(_AROUND):
            mark = _mark(written, low, high)
            if mark is not None:
                return mark
    return None


def _share(said: str, low: float, high: float) -> Mark | None:
    """The mark within the last line, out of the best of the scale; None where there are several."""
    line = said.rstrip(_AROUND + "\r\n").rpartition("\n")[2][-_REACH:]
    shares = [found for found in _FIGURE.finditer(line) if _whole(found) is not None]
    marks = [_mark(line[found.start() :], low, high) for found in shares if re.search("/|out", found[0], re.IGNORECASE)]
    values = {mark.value for mark in marks if mark is not None and mark.value is not None}
    return Mark(values.pop()) if len(values) == 1 else None


def _mark(said: str, low: float, high: float, *, alone: bool = False) -> Mark | None:
    """The mark with which a text begins; None where it begins with no number at all.

    Args:
        said: the text.
        low: the worst mark.
        high: the best.
        alone: whether a figure with another word behind it, such as `3 mistakes`, is none; of numbers in words that
            always holds.
    """
    in_digits = _FIGURE.match(said)
    figure = in_digits or _WORD.match(said)
    if figure is None or ((alone or in_digits is None) and _GOES_ON.match(said, figure.end())):
        return None
    shown = figure[0].strip()[:_LONGEST]
    written = figure["number"].rstrip(".,'_")
    number = number_of(written.replace("−", "-").lstrip("+")) if len(written) <= _LONGEST else None
    if number is None:
        return Mark(None, f"{shown!r} is no mark from {low:g} to {high:g}") if in_digits else None
    value, whole = float(number.value), _whole(figure)
    for what, form in (("range", _RANGE), ("sum", _SUM)):
        if form.match(said, figure.end()):
            return Mark(None, f"a {what} that begins with {shown!r} is no mark; one number from {low:g} to {high:g} is")
    if figure["percent"]:
        if low != 0 or high not in (1, 100):
            return Mark(None, f"the mark {shown!r} is a percentage, and the scale goes from {low:g} to {high:g}")
        value = value * high / 100
    if whole is not None and whole != high:
        return Mark(None, f"the mark {shown!r} is not out of {high:g}, the best of the scale")
    if not low <= value <= high:
        return Mark(None, f"the mark {shown!r} lies outside the scale from {low:g} to {high:g}")
    return Mark(value)


def _whole(figure: re.Match[str]) -> float | None:
    """What a figure is out of; None where it is out of nothing, or of something that is no number."""
    number = number_of(figure["whole"].rstrip(".,")) if figure["whole"] else None
    return None if number is None else float(number.value)


def _unread(said: str, low: float, high: float) -> Mark:
    return Mark(None, f"no mark from {low:g} to {high:g} could be read from {single_spaced(said)[-_SHOWN:]!r}")
