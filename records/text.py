"""How long a text can be for a tokenizer, how to cut and clean it, and what UTF-8 can hold of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from unicodedata import is_normalized, normalize

__all__ = ["clip", "clip_as", "encodable", "lone_surrogate", "longest_bytes", "single_spaced", "slices"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def longest_bytes(text: str) -> int:
    """The largest UTF-8 length of the raw, NFC and NFKC text.

    An upper bound on its tokens for byte-level tokenizers, also for those that normalise first: NFKC makes some
    characters longer (U+FDFA becomes 18 characters).
    """
    if text.isascii():
        return len(text)
    raw = _byte_length(text)
    if is_normalized("NFKC", text):  # and so NFC too: every NFKC text is in NFC
        return raw
    return max(raw, _byte_length(normalize("NFC", text)), _byte_length(normalize("NFKC", text)))


def clip(text: str, limit: int) -> str:
    """A prefix of `text` whose `longest_bytes` is at most `limit`; the longest one for plain ASCII."""
    if longest_bytes(text) <= limit:
        return text
    if text.isascii():
        return text[:limit]
    return clip_as(text, limit, longest_bytes)


def clip_as(text: str, limit: int, size: Callable[[str], int]) -> str:
    """A prefix of `text` with at most `limit` characters whose size is at most `limit`, the empty one where none is.

    Args:
        text: to cut.
        limit: of the size.
        size: of a prefix; should not fall with its length.
    """
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def slices(text: str, count: int) -> list[str]:
    """The text cut into so many pieces, their lengths as equal as can be."""
    cuts = [len(text) * number // count for number in range(count + 1)]
    return [text[first:last] for first, last in pairwise(cuts)]


def single_spaced(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def lone_surrogate(text: str) -> str:
    """The first half of a surrogate pair in a text, written as an escape; empty where UTF-8 can hold the text.

    JSON and JavaScript admit such halves, for example where an emoji was cut in two.
    """
    found = None if text.isascii() else _SURROGATE.search(text)
    return "" if found is None else f"\\u{ord(found[0]):x}"


def encodable(text: str) -> str:
    """The text with U+FFFD for every half of a surrogate pair; two halves that belong together become one character."""
    if not lone_surrogate(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _byte_length(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
