"""The form under which answers are the same."""

from __future__ import annotations

import re
from functools import lru_cache

from .numbers import number_in
from .plain import folded

__all__ = ["letter_of", "normal_form"]

_AROUND = " \t\r\n\"'`*"
_FEET = re.compile(r"\d[\"']\Z")
_CLOSING = ".,;:? \t\r\n"
_CALLED = re.compile(r"[^\W\d_]{2}!+\Z")
"""A call; an exclamation mark behind a number or a variable is a factorial."""
_EMPHASIS = re.compile(r"__(?![a-z]+(?:_[a-z]+)*__\Z)(.+)__", re.DOTALL)
"""Underlined text; `__init__` is a name."""
_LAYERS = 4
_LONG = 1000
"""Characters; a longer text is no short answer that comes again and again in many forms."""
_TIGHT = re.compile(r" ?([=+*/^<>≤≥≠×()\[\]{}|]) ?| (-) ")
_LISTED = re.compile(r" ?([,;]) ?")
_LETTER = re.compile(r"(?:(?:option|choice|answer)\s?:?\s?)?[(\[]?([a-z])[)\].:]{0,2}")


def normal_form(answer: str) -> str:
    """The form under which answers are counted as one and compared with the gold answer.

    LaTeX, compatibility characters, typography, case, white space, quotation marks and closing punctuation do not tell
    answers apart, neither do the ways of writing a number (`1,000.0`, `$1{,}000$` and `one thousand` are `1000`) or a
    choice (`(B)`, `B.` and `Option B` are `b`). Numbers of different value or unit never have the same form, money
    excepted, whose sign is left out.
    """
    if answer.isascii() and answer.isdigit() and len(answer) < _LONG:
        return answer.lstrip("0") or "0"
    return _form(answer, _LAYERS) if len(answer) < _LONG else _form.__wrapped__(answer, 1)


@lru_cache(maxsize=4096)
def _form(answer: str, layers: int) -> str:
    for _ in range(layers):  # What LaTeX or quotation marks held may be in need of the same.
        text = folded(answer)
        bare = _bare(text)
        letter = letter_of(bare)
        if letter:
            return letter
        tight = _TIGHT.sub(r"\1\2", bare)
        number = number_in(tight)
        if number is not None:
            return number.form
        form = _LISTED.sub(r"\1 ", tight).strip() or text
        if form == answer:
            break
        answer = form
    return answer


def letter_of(text: str) -> str:
    """The small letter of a choice where a `folded` text is nothing else; else an empty text."""
    found = _LETTER.fullmatch(text)
    return found[1] if found else ""


def _bare(text: str) -> str:
    for _ in range(_LAYERS):
        before = text
        text = _EMPHASIS.sub(r"\1", text).rstrip(_CLOSING)
        text = text.rstrip("!") if _CALLED.search(text[-_LAYERS:]) else text
        quoted = text[:1] in _AROUND
        text = text.lstrip(_AROUND + ",;:")
        if quoted or not _FEET.search(text[-_LAYERS:]):
            text = text.rstrip(_AROUND)
        if text == before:
            break
    return text
