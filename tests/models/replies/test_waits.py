from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.replies.waits import duration, wait_in_body, wait_in_headers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17s", 17.0),
        ("1.5s", 1.5),
        ("340ms", 0.34),
        ("6m0s", 360.0),
        ("2h7m23s", 7643.0),
        ("20 minutes", 1200.0),
        ("1 minute and 3 seconds", 63.0),
        ("45.837906927s", 45.837906927),
        ("373.801628ms", 0.373801628),
        ("1 day", 86400.0),
        ("soon", None),
        ("", None),
        ("5", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "17s"}, 17.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "2", "x-ratelimit-reset-tokens": "30s"}, 2.0),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "20s"}, 20.0),
        # Only the bucket that is empty counts.
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "90",
            },
            1.0,
        ),
        # It says when the bucket is full again; that one call fits is much sooner.
        ({"x-ratelimit-reset-tokens": "6m0s"}, 60.0),
        ({"ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-reset": "1741305600000"}, 0.0),
        ({"anthropic-ratelimit-requests-reset": "2001-01-01T00:00:00Z"}, 0.0),
        ({"x-ratelimit-reset": "whenever"}, None),
    ],
)
def test_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_in_headers(headers) == seconds


def test_dates() -> None:
    date = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=50)
    for headers in (
        {"retry-after": format_datetime(date, usegmt=True)},
        {"x-ratelimit-reset": str(int(date.timestamp()))},
        {"x-ratelimit-reset": str(int(date.timestamp() * 1000))},
        {"anthropic-ratelimit-tokens-reset": date.isoformat()},
    ):
        seconds = wait_in_headers(headers)
        assert seconds is not None
        assert 40 < seconds <= 50


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please retry in 26.660853464s.", 26.660853464),
        ("Limit 30000, Used 29000, Requested 2000. Please try again in 340ms. Visit https://x.y", 0.34),
        ("Please try again in 6m0s.", 360.0),
        ("You have exceeded the rate limit. Try again in 20 minutes.", 1200.0),
        ("Requests have exceeded call rate limit. Please retry after 26 seconds.", 26.0),
        ("Your quota will reset after 2h7m23s.", 7643.0),
        ("Too many requests, please wait 5 minutes", 300.0),
        ("retry_after: 5", 5.0),
        ("Retry-After=5", 5.0),
        ("try again in 5", 5.0),
        ("You can retry your request, or contact us through our help center at help.openai.com", None),
        ("Please retry 5 times at most", None),
        ("Rate limit of 3 requests a minute", None),
        ("waited 600 s for a slot", None),
    ],
)
def test_words(text: str, seconds: float | None) -> None:
    assert wait_in_body(None, text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}]}},
        [{"error": {"details": [{"retryDelay": {"seconds": 17.5}}]}}],
        {"retry_after": 17.5},
        {"error": {"retry_after_ms": 17500}},
        {"error": {"metadata": {"retryAfter": "17.5"}}},
        {"error": "Model is loading", "estimated_time": 17.5},
        {"error": {"details": [{"metadata": {"quotaResetDelay": "17500ms"}}]}},
        {"retry-after-seconds": "17.5"},
        {"error": {"reset_in": "17.5 seconds"}},
        {"resetAfterMs": 17500},
        {"wait_seconds": 17.5},
    ],
)
def test_fields(body: object) -> None:
    assert wait_in_body(body, "try again in 3s") == 17.5


def test_what_is_no_wait() -> None:
    body = {"retry_after": None, "retryDelay": True, "retry_after_ms": "soon", "retry_count": 3, "reset_at": 1e9}
    assert wait_in_body(body, "") is None


@given(st.text(alphabet="retry again in0123456789.smh ", max_size=300))
def test_any_words_have_a_finite_wait_or_none(text: str) -> None:
    seconds = wait_in_body(None, text)
    assert seconds is None or 0 <= seconds < 1e18


def test_long_words_take_linear_time() -> None:
    for text in ("again " + "1" * 200_000, "retry " * 50_000, "again in " + "1m " * 100_000):
        wait_in_body(None, text)
