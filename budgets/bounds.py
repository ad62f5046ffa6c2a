"""Upper bounds on what a prompt can cost, computed before it is sent.

A byte-level tokenizer never makes more tokens than there are bytes. One that normalises first (NFC or NFKC) works on
other bytes: U+FDFA is 3 bytes of UTF-8 and 33 bytes after NFKC. So the bound is the largest of the three lengths,
and the chat template comes on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import is_normalized, normalize

__all__ = ["prompt_bound", "text_bound"]


def text_bound(text: str) -> int:
    """The most tokens that a byte-level tokenizer can make of `text`, whether or not it normalises first.

    Args:
        text: any text; a lone surrogate counts as the 3 bytes of its replacement.

    Returns:
        The largest UTF-8 length, in bytes, of the raw, the NFC and the NFKC text.
    """
    if text.isascii():
        return len(text)
    raw = _byte_length(text)
    if is_normalized("NFKC", text):  # and so NFC too: every NFKC text is in NFC
        return raw
    return max(raw, _byte_length(normalize("NFC", text)), _byte_length(normalize("NFKC", text)))


def prompt_bound(
    contents: Sequence[str], *, template_tokens: int, message_tokens: int, exact: int | None = None
) -> int:
    """An upper bound on the prompt tokens of a request.

    Args:
        contents: the text of each message, and any other text that is sent along, such as a response schema.
        template_tokens: what the chat template adds to a prompt.
        message_tokens: what the chat template adds to each message.
        exact: a count by the model's own tokenizer, template included; where there is one it is the bound.

    Returns:
        Tokens.
    """
    if exact is not None:
        return exact
    return template_tokens + sum(text_bound(content) + message_tokens for content in contents)


def _byte_length(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
