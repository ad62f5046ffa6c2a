"""What a refused request can be about, and how a field of the card mends it."""

from __future__ import annotations

import re

__all__ = ["card_hint"]

_TOLD = 'system_role = "user" in the model\'s card sends instructions as words of the user'
_CAPPED = "output_cap in the model's card names the field that caps its output"
_LEFT_OUT = "{0} = false in the model's card leaves it out"
_HINTS = {
    "system": _TOLD,
    "developer": _TOLD,
    "max_tokens": _CAPPED,
    "max_completion_tokens": _CAPPED,
    "temperature": _LEFT_OUT.format("temperature"),
    "seed": _LEFT_OUT.format("seed"),
    "logprobs": _LEFT_OUT.format("logprobs"),
    "response_format": _LEFT_OUT.format("json_schema"),
    "stream_options": 'streaming = "plain" in the model\'s card leaves it out',
    "stream": 'streaming = "none" in the model\'s card takes its replies whole',
}
"""What a refused request can be about, and how the card mends it."""
_ABOUT_ROLES = frozenset(("role", "roles", "message", "messages", "instruction", "instructions"))


def card_hint(status: int, text: str) -> str:
    """How the card can mend a request that was refused, as the end of a sentence."""
    words = dict.fromkeys(re.findall(r"[a-z_]+", text.lower()))
    if status not in (400, 422) and not (status == 500 and "role" in words):  # servers whose chat template raises
        return ""
    hints = (_HINTS[word] for word in words if word in _HINTS)
    hint = next((each for each in hints if each is not _TOLD or _ABOUT_ROLES & words.keys()), "")
    return hint and f"; {hint}"
