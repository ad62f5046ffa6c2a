"""The vocabulary of the pocket models: characters, syllables and a few whole phrases."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["END", "PIECES", "UNKNOWN", "decode", "encode", "forced_token", "piece_of"]

UNKNOWN = 0
"""The token of any character that is not in the vocabulary; decoded as a question mark in a box."""
END = 1
"""The newline. Every reply is one line, so it also ends a reply; a prompt may hold several."""

_ROLES = "STCDFQV"
_SYLLABLES = tuple(consonant + vowel for consonant in "klmnrst" for vowel in "aeo" if consonant + vowel != "se")
_READING = (" stays", " works", " with ", " in room ", " saw ", " met ", " calls ", "Which room is ", " in?")
_PUZZLES = ("Find ", " from 1 to ", ": ", "; ", " and ", " differ", "all differ", " is not ", " is ")
_COMPARISONS = (" is less than ", " is more than ", " more than ", " less than ")
_LISTS = ("/", ", ", "Arrows ", ". From ", "Codes ", ". Give ", " joined by ", "Stock ", "Sum of ", "Count ", " in ")
_MOVES = ("Pegs ", ". All to ")
PIECES: tuple[str, ...] = (
    "\ufffd",
    "\n",
    *"0123456789",
    *"abcdefghijklmnopqrstuvwxyz",
    *_ROLES,
    *" +-*()=<!?:;,.|>",
    *_SYLLABLES,
    *_READING,
    *_PUZZLES,
    *_COMPARISONS,
    *_LISTS,
    *_MOVES,
)
"""The text of each token. Later models may append pieces; the order of these never changes."""

_NUMBERS = {piece: number for number, piece in enumerate(PIECES)}
_LONGEST_FIRST = re.compile("|".join(re.escape(piece) for piece in sorted(PIECES, key=len, reverse=True)) + "|.", re.S)


def encode(text: str) -> list[int]:
    """The tokens of a text, longest piece first; never more tokens than the text has bytes of UTF-8."""
    return [_NUMBERS.get(piece, UNKNOWN) for piece in _LONGEST_FIRST.findall(text)]


def decode(tokens: Iterable[int]) -> str:
    """The text of tokens.

    Raises:
        IndexError: a token is not in the vocabulary.
    """
    return "".join(PIECES[token] for token in tokens)


def forced_token(character: str) -> int:
    """The token of a character that is written without the model, which may not know it."""
    return len(PIECES) + ord(character)


def piece_of(token: int) -> str:
    """The text of a token, also of one that was written without the model."""
    return PIECES[token] if token < len(PIECES) else chr(token - len(PIECES))
