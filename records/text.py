"""How long a text can be for a tokenizer, and how to cut it to a length."""

from __future__ import annotations

from unicodedata import is_normalized, normalize

__all__ = ["clip", "longest_bytes"]


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
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if longest_bytes(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def _byte_length(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
