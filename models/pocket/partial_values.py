"""The values that a model chooses character by character, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from .grammar import Choices, FreeText, More, Numeral, Term, least
from .tokenizer import END, PIECES, UNKNOWN

__all__ = [
    "SEPARATORS",
    "Chosen",
    "InNumber",
    "InText",
    "Leaf",
    "Undecided",
    "begun",
    "ended",
    "filled",
    "least_left",
    "walked",
]

SEPARATORS = frozenset((" ", ",", "/", ";", ", ", "; "))
"""What a model writes between the items of a list."""
_NEVER = frozenset((PIECES[UNKNOWN], PIECES[END], '"', "\\"))
_BETWEEN = frozenset(",;/")


@dataclass(frozen=True, slots=True)
class InText:
    """A text in quotes, which were opened."""

    term: FreeText
    count: int
    """Of characters written."""
    listed: bool
    """Whether it is an item of a list: it then holds no separator."""


@dataclass(frozen=True, slots=True)
class InNumber:
    """A number."""

    term: Numeral
    text: str = ""
    zeros: int = 0
    """Zeros that were chosen and not written: the models write `07`, and JSON does not."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of several texts."""

    term: Choices


@dataclass(frozen=True, slots=True)
class Undecided:
    """A value of one of several sorts, before its first character."""

    sorts: tuple[InText | InNumber | Chosen, ...]


Leaf: TypeAlias = InText | InNumber | Chosen | Undecided | More


def begun(term: FreeText | Numeral | Choices, *, listed: bool) -> InText | InNumber | Chosen:
    """A value before its first character; the quotes of a text come with it."""
    if isinstance(term, FreeText):
        return InText(term, 0, listed)
    return InNumber(term) if isinstance(term, Numeral) else Chosen(term)


def walked(leaf: Leaf, piece: str, *, opened: bool = True) -> tuple[Leaf, str] | None:
    """Where a leaf stands after a piece, and what is written for it; None where the piece cannot come.

    Args:
        leaf: the value.
        piece: a token's text, which is not the end.
        opened: whether the quotes of a text are written.
    """
    match leaf:
        case InText(term, count, listed):
            if count + len(piece) > term.most or any(sign in _NEVER for sign in piece):
                return None
            if listed and (piece == " " or any(sign in _BETWEEN for sign in piece)):
                return None
            return replace(leaf, count=count + len(piece)), piece if opened else f'"{piece}'
        case Undecided(sorts):
            return next((found for sort in sorts if (found := walked(sort, piece, opened=False))), None)
        case More():
            return None
    text, now = "", leaf
    for sign in piece:
        step = _in_number(now, sign) if isinstance(now, InNumber) else _in_choices(now, sign)
        if step is None:
            return None
        now, more = step
        text += more
    return now, text


def ended(leaf: Leaf, *, opened: bool = True) -> tuple[str, tuple[Term, ...]] | None:
    """What is written where a value ends, and what comes behind it; None where it cannot end."""
    match leaf:
        case InText(term, count):
            return None if count < term.least else ('"' if opened else '""', ())
        case InNumber(term, text, zeros):
            text, given = ("0", "0") if zeros and not text else (text, "")
            return (given, ()) if term.bounds.whole(text) else None
        case Chosen(term):
            return term.end
        case Undecided(sorts):
            return next((found for sort in sorts if (found := ended(sort, opened=False))), None)
        case More(items, count):
            return ("]", ()) if count >= items.least else None


def filled(leaf: Leaf) -> bool:
    """Whether a value can do nothing but end."""
    match leaf:
        case InText(term, count):
            return count == term.most
        case InNumber(term, text):
            return bool(text) and not term.bounds.further(text)
        case Chosen(term):
            return not term.branches
        case More(items, count):
            return count == items.most
        case Undecided():
            return False


def least_left(leaf: Leaf) -> int:
    """The fewest tokens with which a value ends, what is written at its end included, or one or two more."""
    match leaf:
        case InText(term, count):
            return max(0, term.least - count) + 2
        case InNumber(term, text, zeros):
            if not zeros or text:
                return (term.bounds.missing(text) or 0) + 1
            return 2 if term.bounds.whole("0") else min(map(len, _later(term, "0"))) + 1
        case Chosen(term):
            return least(term)
        case Undecided(sorts):
            return least_left(sorts[0]) + isinstance(sorts[0], InText)  # see `least`
        case More():
            return least(leaf)


def _in_choices(leaf: Chosen, sign: str) -> tuple[Chosen, str] | None:
    found = next((branch for branch in leaf.term.branches if branch.shown == sign), None)
    return None if found is None else (Chosen(found.then), found.text)


def _in_number(leaf: InNumber, sign: str) -> tuple[InNumber, str] | None:
    bounds = leaf.term.bounds
    if not leaf.text and sign == "0" and leaf.zeros < 2:
        # A second zero is zero; a first one may stand before a digit.
        if bounds.whole("0") or (not leaf.zeros and _later(leaf.term, "0")):
            return replace(leaf, zeros=leaf.zeros + 1), ""
        return None
    if leaf.zeros and not leaf.text:
        if sign == ".":
            return (replace(leaf, text="0."), "0.") if "." in bounds.further("0") else None
        if sign == "-" or leaf.zeros > 1:
            return None
    return (replace(leaf, text=leaf.text + sign), sign) if sign in bounds.further(leaf.text) else None


def _later(term: Numeral, zero: str) -> list[str]:
    """The shortest texts, by their lengths, with which a number goes on behind a zero that is not written."""
    bounds = term.bounds
    digits = [sign * (1 + (bounds.missing(sign) or 0)) for sign in bounds.further("") if sign not in "-0"]
    broken = ["0." + "0" * (bounds.missing("0.") or 0)] if "." in bounds.further(zero) else []
    return digits + broken
