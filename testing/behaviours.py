"""What a chat-completions server may do with a request, right and wrong, and which of it is billed."""

from __future__ import annotations

from enum import Enum

__all__ = ["ERRORS", "UNBILLED", "Behaviour"]


class Behaviour(Enum):
    """What the server does with one request."""

    OK = "ok"
    """Answers; finish_reason is "length" where the output cap cut the reply."""
    STARVED = "starved"
    """All of the output cap went into hidden reasoning: empty content, finish_reason "length"."""
    SHORT_COUNT = "short count"
    """Cut by the cap, with one token too few reported."""
    CONTENT_FILTER = "content filter"
    """finish_reason "content_filter", with part of the text."""
    REFUSAL = "refusal"
    """No content; the refusal field says why."""
    OVERRUN = "overrun"
    """Ignores the output cap, and reports it."""
    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    UNPROCESSABLE = "422"
    RATE_LIMIT = "429"
    """With Retry-After in seconds, see `FaultServer.retry_after`."""
    QUOTA = "429 insufficient_quota"
    SERVER_ERROR = "500"
    """After the work was done, so it is billed."""
    OVERLOADED = "503"
    HANG = "hang"
    """Does the work, never answers."""
    DRIP = "drip"
    """Sends the body so slowly that only a deadline for the whole call ends it."""
    RESET = "reset"
    """Closes with a TCP reset after the work was done."""
    CLOSE = "close"
    """Closes without an answer after the work was done."""
    GARBAGE = "garbage"
    """Answers with something that is not HTTP."""
    CUT_BODY = "cut body"
    """Closes in the middle of the body."""
    TRUNCATED_JSON = "truncated JSON"
    """A whole HTTP body that ends in the middle of the JSON."""
    HTML = "HTML"
    """A page with status 200, as a proxy in between may send."""
    ERROR_BODY = "error body"
    """Status 200 with {"error": ...}."""
    NULL_CHOICES = "null choices"
    EMPTY_CHOICES = "empty choices"
    NULL_MESSAGE = "null message"
    NUMBER_CONTENT = "number as content"
    NO_USAGE = "no usage"
    STRING_USAGE = "usage as strings"
    NULL_COUNTS = "usage of nulls"
    NEGATIVE_USAGE = "negative usage"
    FRACTION_USAGE = "fractional usage"


UNBILLED = frozenset(
    {
        Behaviour.BAD_REQUEST,
        Behaviour.UNAUTHORIZED,
        Behaviour.FORBIDDEN,
        Behaviour.NOT_FOUND,
        Behaviour.UNPROCESSABLE,
        Behaviour.RATE_LIMIT,
        Behaviour.QUOTA,
        Behaviour.OVERLOADED,
        Behaviour.ERROR_BODY,
        Behaviour.HTML,
    }
)
ERRORS = {
    Behaviour.BAD_REQUEST: (400, "invalid_request_error", "unsupported_parameter"),
    Behaviour.UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key"),
    Behaviour.FORBIDDEN: (403, "permission_error", "region"),
    Behaviour.NOT_FOUND: (404, "invalid_request_error", "model_not_found"),
    Behaviour.UNPROCESSABLE: (422, "invalid_request_error", "unprocessable"),
    Behaviour.RATE_LIMIT: (429, "requests", "rate_limit_exceeded"),
    Behaviour.QUOTA: (429, "insufficient_quota", "insufficient_quota"),
    Behaviour.SERVER_ERROR: (500, "server_error", "internal"),
    Behaviour.OVERLOADED: (503, "server_error", "overloaded"),
}
