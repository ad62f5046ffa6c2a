"""Texts of one template or one premise, found without looking at every pair: MinHash (Broder 1997) of masked texts.

Written here and not taken from a library, because which part of a dev set a task is in hangs on it, and must not change
with a library's version: the hashes are CRC-32 and multiply-shift with constants from SHA-256, the same everywhere.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from ..nodes.unspaced import paired

__all__ = ["masked", "near_duplicates", "tells"]

_ALIKE = 0.65
"""The least share of common words and pairs of words (Jaccard) of two near-duplicates."""
_BANDS, _ROWS = 32, 4
"""Two texts are compared where all rows of a band agree: at `_ALIKE` that happens 499 times in 500."""
_MOST = 20_000
"""Characters that are read of a text."""
_SHOUTED = 0.8
"""Where so many of a text's words begin with a capital letter, that does not say which of them are names."""
_CONTENT = 4
"""Letters of the shortest word that says something of a template: "is" and "the" do not."""

_NUMBER, _NAME = "#", "@"
_QUOTED = re.compile(
    r"\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”|„[^“”\n]{1,80}[“”]|«[^»\n]{1,80}»|「[^」\n]{1,80}」|『[^』\n]{1,80}』"
    r"|`[^`\n]{1,80}`|(?<!\w)['‘][^'‘’\n]{1,80}['’](?!\w)"
)
_TOKEN = re.compile(r"[#@]|\w*\d\w*(?:[.,:/]\d\w*)*|[^\W\d_]+(?:['’][^\W\d_]+)*")


def masked(text: str) -> tuple[str, ...]:
    """The words of a text in small letters, with `#` for numbers and variables and `@` for names.

    A name is what begins with a capital letter or stands in quotation marks; a single letter, and what has a digit in
    it, counts as a number. Scripts without spaces are taken apart into overlapping pairs of letters. Masks that follow
    each other are one, so that "Ann Lee" and "Bob" are the same.
    """
    text = normalize("NFKC", text[:_MOST]).replace(_NUMBER, " ").replace(_NAME, " ")
    found = _TOKEN.findall(paired(_QUOTED.sub(f" {_NAME} ", text)))
    words = [token for token in found if token[0].isalpha() and len(token) > 1]
    shouted = sum(word[0].isupper() for word in words) >= _SHOUTED * len(words)
    tokens: list[str] = []
    for token in found:
        kind = _masked(token, shouted=shouted)
        if not (tokens and tokens[-1] == kind and kind in (_NUMBER, _NAME)):
            tokens.append(kind)
    return tuple(tokens)


def tells(tokens: Sequence[str]) -> bool:
    """Whether masked words say which template they are of: sums, and what is all names, do not."""
    return any(len(token) >= _CONTENT or not token.isascii() for token in tokens)


def near_duplicates(texts: Sequence[Sequence[str]]) -> list[int]:
    """For each masked text, the number of the first that it is a near-duplicate of, directly or through others.

    Texts that do not tell are their own. Time and memory grow with the number of texts, not with its square: within a
    bucket of the banded signatures (Leskovec, Rajaraman and Ullman 2014, chapter 3) all are compared with the first, in
    the order of the texts themselves, so that the order in which they are given makes no difference.

    Args:
        texts: as `masked` makes them.
    """
    leaders = list(range(len(texts)))

    def leader(number: int) -> int:
        while leaders[number] != number:
            leaders[number] = number = leaders[leaders[number]]
        return number

    shingles = [_shingles(tokens) if tells(tokens) else frozenset[int]() for tokens in texts]
    buckets: dict[bytes, int] = {}
    for number in sorted(range(len(texts)), key=lambda number: tuple(texts[number])):
        own = shingles[number]
        for band in _bands(own) if own else ():
            first = buckets.setdefault(band, number)
            one, other = leader(first), leader(number)
            if one != other and len(own & shingles[first]) >= _ALIKE * len(own | shingles[first]):
                leaders[max(one, other)] = min(one, other)
    return [leader(number) for number in range(len(texts))]


def _masked(token: str, *, shouted: bool) -> str:
    if token in (_NUMBER, _NAME):
        return token
    if any(character.isdigit() for character in token):
        return _NUMBER
    if len(token) == 1 and token.isascii() and token not in "aAI":
        return _NUMBER
    return _NAME if token[0].isupper() and not shouted else token.casefold()


def _shingles(tokens: Sequence[str]) -> frozenset[int]:
    """Hashes of the words and of the pairs of words that follow each other."""
    words = [token.encode() for token in tokens]
    return frozenset(map(zlib.crc32, [*words, *(b" ".join(pair) for pair in pairwise(words))]))


def _bands(shingles: frozenset[int]) -> list[bytes]:
    """The signature in bands, each with its number in front."""
    factors, shifts = _permutations()
    hashed = np.fromiter(shingles, np.uint64, len(shingles))[:, None]
    signature = ((hashed * factors + shifts) >> np.uint64(32)).astype("<u4").min(axis=0)
    return [bytes([band]) + signature[band * _ROWS : (band + 1) * _ROWS].tobytes() for band in range(_BANDS)]


@cache
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Odd factors and shifts of multiply-shift hashing (Dietzfelbinger et al. 1997)."""
    drawn = b"".join(hashlib.sha256(f"minhash/{n}".encode()).digest() for n in range(_BANDS * _ROWS // 2))
    numbers = np.frombuffer(drawn, "<u8").astype(np.uint64)
    return numbers[0::2] | np.uint64(1), numbers[1::2]
