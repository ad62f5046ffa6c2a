"""Upper bounds on what a prompt can cost, computed before it is sent.

A byte-level tokenizer never makes more tokens than there are bytes. One that normalises first (NFC or NFKC) works on
other bytes: U+FDFA is 3 bytes of UTF-8 and 33 bytes after NFKC. So the bound is the largest of the three lengths,
and the chat template comes on top.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..records.text import longest_bytes

__all__ = ["prompt_bound"]


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
    return template_tokens + sum(longest_bytes(content) + message_tokens for content in contents)
