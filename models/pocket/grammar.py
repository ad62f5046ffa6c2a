"""Of what a text is made that an embedded model is held to: what is given, and what is left for the model to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from .numerals import Bounds
from .tokenizer import PIECES, UNKNOWN

__all__ = ["Branch", "Choices", "Either", "Forced", "FreeText", "Items", "More", "Numeral", "Term", "choices", "least"]

_KNOWN = frozenset(piece for piece in PIECES[2:] if len(piece) == 1)
"""The characters that the models can write."""
_UNKNOWN = PIECES[UNKNOWN]


@dataclass(frozen=True, slots=True)
class Forced:
    """A text that is not for the model to choose."""

    text: str
    shown: str = ""
    """What the model reads in its place: it was never trained on JSON."""
    anew: bool = False
    """Whether the model goes back to where it gave its answer, and forgets what it wrote since."""


@dataclass(frozen=True, slots=True)
class FreeText:
    """A text in quotes, of so many characters."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number."""

    bounds: Bounds


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """One of several texts, as a tree of their beginnings."""

    branches: tuple[Branch, ...]
    end: tuple[str, tuple[Term, ...]] | None = None
    """Where a text ends here: what is still written of it, and what comes then."""


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """How texts go on."""

    text: str
    """The next character, behind the quotes where it is the first of a text in quotes."""
    shown: str
    """The character by which the model chooses it."""
    then: Choices


@dataclass(frozen=True, slots=True)
class Either:
    """A value of one of several sorts; its first character decides for the first sort that may begin so."""

    sorts: tuple[FreeText | Numeral | Choices, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list of at least one item."""

    item: tuple[Term, ...]
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class More:
    """Behind an item of a list: whether there is another."""

    items: Items
    count: int
    """How many there are."""


Term: TypeAlias = Forced | FreeText | Numeral | Choices | Either | Items | More


def choices(options: Sequence[tuple[str, tuple[Term, ...]]]) -> Choices:
    """One of several texts, with what comes behind each.

    The model chooses by characters that it knows: a capital by its small letter, and one of those that it does not know
    at all by the token for such. Of texts that it cannot tell apart it gets the first.

    Args:
        options: JSON texts, of which those in quotes are chosen by what stands in the quotes.
    """
    return _tree([(*_pieces(text), then) for text, then in dict(reversed(options)).items()][::-1])


def _pieces(text: str) -> tuple[tuple[str, ...], str]:
    """The characters of a text, and what is written at its end; quotes belong to the first and to the end."""
    if not text.startswith('"'):
        return tuple(text), ""
    inner = text[1:-1]
    return ((f'"{inner[0]}', *inner[1:]), '"') if inner else ((), '""')


def _tree(options: Sequence[tuple[tuple[str, ...], str, tuple[Term, ...]]]) -> Choices:
    begun: dict[str, list[tuple[tuple[str, ...], str, tuple[Term, ...]]]] = {}
    end = None
    for pieces, closing, then in options:
        if pieces:
            begun.setdefault(pieces[0], []).append((pieces[1:], closing, then))
        else:
            end = end or (closing, then)
    shown = _shown(list(begun))
    return Choices(tuple(Branch(text, shown[text], _tree(rest)) for text, rest in begun.items() if text in shown), end)


def _shown(texts: Sequence[str]) -> dict[str, str]:
    """By what a model chooses each of several characters; none for those that it cannot tell from others."""
    taken: dict[str, str] = {}
    for seen in (lambda sign: sign, str.lower, lambda sign: _UNKNOWN):
        for text in texts:
            sign = seen(text[-1])
            if text not in taken.values() and sign not in taken and (sign in _KNOWN or sign == _UNKNOWN):
                taken[sign] = text
    return {text: sign for sign, text in taken.items()}


@lru_cache(maxsize=4096)
def least(term: Term) -> int:
    """The fewest tokens that a term takes, or one or two more."""
    match term:
        case Forced(text):
            return len(text)
        case FreeText(fewest):
            return fewest + 3  # the quotes, and the end
        case Numeral(bounds):
            return (bounds.missing("") or 0) + 1
        case Choices(branches, end):
            ways = [len(branch.text) + least(branch.then) for branch in branches]
            if end is not None:
                ways.append(len(end[0]) + bool(branches) + sum(map(least, end[1])))
            return min(ways)
        case Either(sorts):
            return least(sorts[0])  # what begins as one of the first sort is of it, so other sorts may be out of reach
        case Items(item, fewest, _):
            return 1 + sum(map(least, item)) + least(More(term, 1))
        case More(items, count):
            return max(0, items.least - count) * (1 + sum(map(least, items.item))) + 2
