"""Server-sent events, as OpenAI's clients read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .refusal import Refusal, error_body

__all__ = ["DONE", "event"]

DONE = "[DONE]"
"""The data of the last event."""
_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def event(content: Mapping[str, Any] | Refusal | str) -> bytes:
    """A chunk, an error or a word as an event."""
    if isinstance(content, Refusal):
        content = error_body(content)
    return f"data: {content if isinstance(content, str) else _text(content)}\n\n".encode(errors="replace")
