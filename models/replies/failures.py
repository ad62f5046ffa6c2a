"""What endpoints say when they fail, in whatever shape, and what it means for the books."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from ...errors import CallFailed
from ...records.redaction import redacted
from ...records.status import Status
from ...records.usage import Usage
from .waits import wait_in_body

__all__ = ["StatedError", "failure", "one_line", "read_error", "says_something"]

_LONGEST = 300
_DEEPEST = 8
_MOST = 20
"""Texts of one error that are looked at; beyond the first few nobody reads."""
_TEXTS = (
    "error",
    "errors",
    "message",
    "msg",
    "error_message",
    "error_msg",
    "error_description",
    "errorMessage",
    "status_msg",
    "base_resp",
    "detail",
    "raw",
    "metadata",
    "reason",
    "title",
    "description",
    "details",
)
"""Where endpoints put their words, the most telling first."""
_NAMES = ("code", "type", "status", "__type")
"""Where they name the kind of error."""
_STATUSES = ("code", "status", "status_code", "statusCode", "http_status")
_INSIDE = ("error", "errors", "detail", "message", "innererror", "base_resp", "metadata")
"""What may hold an error within an error."""

_HOPELESS = ("insufficient_quota", "billing", "insufficient_balance", "insufficient_user_quota", "payment_required")
_FILTERED = ("content_filter", "content_policy", "responsible", "data_inspection", "moderation")
_KINDS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (429, ("rate_limit", "ratelimit", "too_many_requests", "resource_exhausted", "throttl", "quota")),
    (401, ("invalid_api_key", "authentication", "unauthorized", "unauthenticated", "permission")),
    (404, ("model_not_found", "not_found")),
    (503, ("overloaded", "unavailable")),
    (400, ("invalid_request", "invalid_argument", "bad_request", "badrequest", "context_length", "unsupported")),
)
"""The HTTP status that a word for an error stands for, where it came with status 200."""
_NOTHING: tuple[object, ...] = (None, "", 0, "0", 200, "200", "ok", "OK", "success", {}, [])
_OF_THE_REQUEST = (400, 413, 414, 422)
"""Statuses that say that the request is at fault, and so would be refused by any endpoint of the model."""
_RATE_LIMIT = re.compile(r"rate.?limit|too many requests", re.I)


@dataclass(frozen=True, slots=True)
class StatedError:
    """An error as the endpoint put it."""

    text: str
    """One short line; empty where it said nothing."""
    words: str = ""
    """Its codes and types, in lower case, joined by spaces."""
    status: int | None = None
    """The HTTP status that it names or stands for, where it does."""
    wait: float | None = None
    """Seconds that it asks to wait, where it does."""

    def names(self, *words: str) -> bool:
        """Whether its codes hold one of these."""
        return any(word in self.words for word in words)


def read_error(body: bytes | object) -> StatedError:
    """Reads an error: OpenAI's, FastAPI's, Mistral's, Gemini's list, a web page, plain text, or nothing.

    Args:
        body: as it came, or JSON that was parsed already.
    """
    content = _parsed(body.decode(errors="replace")) if isinstance(body, bytes) else body
    told = list(dict.fromkeys(filter(None, map(str.strip, islice(_texts(content, 0), _MOST)))))
    kept = [text for text in told if not any(text != other and text in other for other in told)]
    text = "; ".join(kept)
    words = " ".join(dict.fromkeys(_words(content)))
    return StatedError(one_line(text), words, _status(content, words, text), wait_in_body(content, text))


def failure(
    status: int | None, stated: StatedError, reason: str, *, wait: float | None = None, usage: Usage | None = None
) -> CallFailed:
    """What a refusal means: a status of its own, whether it can have been billed, whether to try again.

    Args:
        status: of HTTP, or the one that an error within a 200 stands for; None where nothing is known.
        stated: what was said.
        reason: one line for people.
        wait: seconds that the headers ask to wait.
        usage: what was reported with it; work that was done was billed.
    """
    # After 408, 409 and 5xx the work may have been done; every other refusal comes before it.
    unsure = status is None or status in (408, 409) or status >= 500
    hopeless = status == 402 or stated.names(*_HOPELESS)
    filtered = stated.names(*_FILTERED)
    if wait is None and (status is None or status < 500 or status in (503, 529)):
        wait = stated.wait  # what other faults say of waiting is mostly advice to people
    if wait:
        reason += f" (it asks to wait {wait:,.3g} s)"
    return CallFailed(
        Status.FILTERED if filtered else Status.PROVIDER_ERROR,
        reason,
        usage=usage,
        billed=unsure or usage is not None,
        retryable=not hopeless and not filtered and (unsure or status in (425, 429)),
        retry_after=wait,
        elsewhere=not filtered and (hopeless or status not in _OF_THE_REQUEST),
    )


def says_something(error: object) -> bool:
    """Whether a field named error reports one; some endpoints send it empty, or with a code for success."""
    if isinstance(error, Mapping):
        return any(value not in _NOTHING for value in error.values())
    return bool(error)


def one_line(text: str) -> str:
    """One short line of a text, without keys and without characters that a terminal would obey."""
    begun = redacted(text[: 20 * _LONGEST])
    line = " ".join("".join(each if each.isprintable() else " " for each in begun).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def _parsed(text: str) -> object:
    """JSON where it is JSON; the title or the words of a web page; else the text."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    if not text.lstrip().startswith("<"):
        return text
    title = re.search(r"<(title|h1)[^>]{0,200}>([^<]{1,300})<", text[:20_000], re.I)
    return title.group(2) if title else re.sub(r"<[^>]{0,2000}>", " ", text[:5_000])


def _texts(value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        inner = _parsed(value) if value.lstrip()[:1] in ("{", "[") else value
        if isinstance(inner, str):
            yield inner
        else:  # an error of another endpoint that was passed on as text
            yield from _texts(inner, depth + 1)
    elif isinstance(value, list):
        for each in value[:5]:
            yield from _texts(each, depth + 1)
    elif isinstance(value, Mapping):
        place = _place(value)
        for found in (text for name in _TEXTS for text in _texts(value.get(name), depth + 1)):
            yield f"{place}: {found}" if place and place not in found else found
        for name in ("errors", "detail"):  # by field of the request, as web frameworks do
            fields = value.get(name)
            if isinstance(fields, Mapping) and not any(_texts(fields, depth + 1)):
                yield from (f"{field}: {text}" for field, why in fields.items() for text in _texts(why, depth + 1))


def _place(error: Mapping[str, object]) -> str:
    """Which field of the request an error is about."""
    where = error.get("loc") or error.get("param")
    if isinstance(where, list):
        return ".".join(str(step) for step in where if isinstance(step, str | int))
    return where if isinstance(where, str) else ""


def _objects(value: object, depth: int) -> Iterator[Mapping[str, object]]:
    """The error's object and those within it."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value[:5]:
            yield from _objects(each, depth + 1)
    elif isinstance(value, Mapping):
        yield value
        for name in _INSIDE:
            yield from _objects(value.get(name), depth + 1)


def _words(content: object) -> Iterator[str]:
    for each in _objects(content, 0):
        for name in _NAMES:
            word = each.get(name)
            if isinstance(word, str):
                yield re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word.strip())).lower()


def _status(content: object, words: str, text: str) -> int | None:
    for each in _objects(content, 0):
        for name in _STATUSES:
            number = each.get(name)
            if isinstance(number, str) and re.fullmatch("[45][0-9][0-9]", number):
                number = int(number)
            if type(number) is int and 400 <= number < 600:
                return number
    for status, signs in _KINDS:
        if any(sign in words for sign in signs):
            return status
    return 429 if _RATE_LIMIT.search(text) else None
