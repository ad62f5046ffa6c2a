"""How long an endpoint asks to wait before the next attempt: in headers, in fields of the body, in its words."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

__all__ = ["duration", "wait_in_body", "wait_in_headers"]

_LONGEST_RESET = 60.0
"""Seconds; a reset header says when a whole bucket is full again, and one call mostly fits much sooner."""
_DEEPEST = 8
_TEXT = 4_000
"""Characters of a text that are searched."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = r"\d{1,12}(?:\.\d{1,12})?"
_UNIT = r"ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?"
_STEP = re.compile(rf"({_AMOUNT})\s?({_UNIT})(?![a-z])", re.I)
_SPAN = rf"{_AMOUNT}\s?(?:{_UNIT})(?![a-z])(?:(?:,| and)?\s?{_AMOUNT}\s?(?:{_UNIT})(?![a-z]))*"
_SAID = re.compile(rf"\b(?:again|retry|wait|resets?|available)\b[^.\d]{{0,30}}({_SPAN})", re.I)
_SAID_BARE = re.compile(rf"\b(?:retry[\s_-]?after|again (?:in|after))\W{{0,4}}({_AMOUNT})(?![\d.]*\w)", re.I)
_FIELD = re.compile(
    "(?:quota)?(?:retry|reset|wait|backoff)(?:after|in|delay|time|for)?(?P<unit>ms|millis(?:econds)?|s|secs?|seconds)?"
    "|estimatedtime"
)
"""Fields that hold a wait, in lower case without separators, and what a bare number in them counts."""


def wait_in_headers(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask to wait: Retry-After in all its forms (RFC 9110, 10.2.3), else rate-limit resets.

    Args:
        headers: by name; names are looked up in lower case.
    """
    asked = _number(headers.get("retry-after-ms"), 0.001)
    if asked is None:
        asked = _retry_after(headers.get("retry-after"))
    if asked is not None:
        return max(0.0, asked)
    resets = [wait for name in headers if (wait := _reset(name.lower(), headers)) is not None]
    return min(_LONGEST_RESET, max(0.0, *resets)) if resets else None


def wait_in_body(body: object, text: str) -> float | None:
    """Seconds that an error asks to wait, in a field such as Gemini's `retryDelay`, else in its words.

    Args:
        body: the error as JSON.
        text: what it says in words.
    """
    for asked in _fields(body, 0):
        return asked
    text = text[:_TEXT]
    said = _SAID.search(text)
    if said is not None:
        return duration(said.group(1))
    bare = _SAID_BARE.search(text)
    return None if bare is None else float(bare.group(1))


def duration(text: str) -> float | None:
    """Seconds of a text such as "17s", "1.5s", "6m0s", "340ms", "20 minutes" or "2h7m23s"."""
    steps = _STEP.findall(text)
    return math.fsum(float(amount) * _unit(unit.lower()) for amount, unit in steps) if steps else None


def _unit(name: str) -> float:
    return _SECONDS["ms" if name == "ms" or name.startswith("milli") else name[0]]


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    seconds = _number(value, 1.0)
    if seconds is not None:
        return seconds
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return duration(value[:_TEXT])


def _reset(name: str, headers: Mapping[str, str]) -> float | None:
    """The wait in a header such as x-ratelimit-reset-tokens; None where its bucket is said not to be empty."""
    if "ratelimit" not in name or "reset" not in name:
        return None
    left = headers.get(name.replace("reset", "remaining"))
    if left is not None and (_number(left, 1.0) or 0.0) > 0:
        return None
    value = headers[name]
    number = _number(value, 1.0)
    if number is None:
        return _moment(value) if "T" in value else duration(value[:_TEXT])
    if number > 1e11:  # milliseconds since the epoch, as OpenRouter sends
        return number / 1000 - time.time()
    return number - time.time() if number > 1e8 else number


def _moment(value: str) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp() - time.time()
    except ValueError:
        return None


def _fields(value: object, depth: int) -> Iterator[float]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from _fields(each, depth + 1)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            field = _FIELD.fullmatch(re.sub(r"[\s_-]", "", str(name)[:64]).lower())
            asked = None if field is None else _asked(inner, 0.001 if (field["unit"] or "").startswith("m") else 1.0)
            if asked is not None:
                yield max(0.0, asked)
            yield from _fields(inner, depth + 1)


def _asked(value: object, unit: float) -> float | None:
    if isinstance(value, Mapping):  # a protobuf Duration as an object
        return _number(value.get("seconds"), 1.0)
    number = _number(value, unit)
    return duration(value[:_TEXT]) if number is None and isinstance(value, str) else number


def _number(value: object, unit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value) * unit
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None
