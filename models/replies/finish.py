"""Why a reply ended. Endpoints have dozens of words for a few things."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

__all__ = ["Ending", "read_finish"]

Ending = Literal["stop", "length", "content_filter", "refusal", "error", "unstated", "unknown"]
"""stop: whole, tool calls included. error: broken off. unstated: nothing was said. unknown: a word without a family."""

_SIGNS: tuple[tuple[Ending, str], ...] = (
    (
        "content_filter",
        "filter(?:ed)?|safety|guardrails?|moderation|block(?:ed|list)|prohibited|policy|toxic|sensitive|recitation|"
        "spii|language",
    ),
    (
        "error",
        "errors?|failed|failure|abort(?:ed)?|cancel(?:led|ed)?|timeout|time|interrupted|unavailable|rate|quota|"
        "insufficient|unfinished|not|user|unloaded",
    ),
    ("refusal", "refusal|refused"),
    ("length", "length|truncated|limit|max|incomplete|exceeded|context|compaction"),
    ("stop", "stop(?:ped)?|eos|end(?:ed)?|endoftext|completed?|finish(?:ed)?|done|normal|success|ok|tools?|function"),
    ("unstated", "unspecified|unknown|none|null|undefined"),
)
"""By the parts of a word, the first family that has one: ERROR_TOXIC is a filter, max_time an error."""
_FAMILIES = tuple((ending, re.compile(rf"\b(?:{signs})\b")) for ending, signs in _SIGNS)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PREFIX = re.compile(r"^(?:finish|stop) ?reason ")


def read_finish(value: object) -> Ending:
    """The family of a finish reason, whatever its case, separators, enum prefix or wrapping.

    Args:
        value: as the endpoint sent it: mostly a text; SGLang has sent `{"type": "stop"}`, Gemini's OpenAI layer
            "content_filter: PROHIBITED_CONTENT", proxies of Gemini "FinishReason.MAX_TOKENS".
    """
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("type", "reason", "name") if value.get(name)), None)
    if value is None:
        return "unstated"
    return _family(value) if isinstance(value, str) else "unknown"


@lru_cache(maxsize=128)
def _family(text: str) -> Ending:
    word = _HUMP.sub(" ", text.partition(":")[0])
    word = re.sub(r"[^a-z0-9]+", " ", word.casefold()).strip()
    if not word:
        return "unknown" if text.strip() else "unstated"
    word = _PREFIX.sub("", word)
    return next((ending for ending, signs in _FAMILIES if signs.search(word)), "unknown")
