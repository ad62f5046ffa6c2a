from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apportion.models.replies.failures import StatedError, failure, one_line, read_error
from apportion.records.status import Status
from apportion.records.usage import Usage

SHAPES = {
    "OpenAI": {"error": {"message": "no seed", "type": "invalid_request_error", "param": None, "code": None}},
    "text": {"error": "no seed"},
    "FastAPI text": {"detail": "no seed"},
    "FastAPI object": {"detail": {"message": "no seed", "code": 3}},
    "Mistral": {"object": "error", "message": "no seed", "type": "invalid_request_error", "code": None},
    "Mistral detail": {"object": "error", "message": {"detail": "no seed"}},
    "list of texts": {"error": ["no seed"]},
    "list of objects": {"errors": [{"message": "no seed"}]},
    "Gemini": [{"error": {"code": 400, "message": "no seed", "status": "INVALID_ARGUMENT"}}],
    "Azure": {"error": {"code": "400", "message": "no seed", "innererror": {"code": "x"}}},
    "Cohere": {"message": "no seed"},
    "AWS": {"__type": "ValidationException", "message": "no seed"},
    "Baidu": {"error_code": 336, "error_msg": "no seed"},
    "MiniMax": {"base_resp": {"status_code": 2013, "status_msg": "no seed"}},
    "problem": {"title": "no seed", "status": 400},
    "OpenRouter": {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "no seed"}}},
    "passed on": {"error": {"message": json.dumps({"error": {"message": "no seed"}})}},
    "page": b"<!doctype html><html><head><title>no seed</title></head></html>",
    "page without title": b"<html><body><p>no <b>seed</b></p></body></html>",
    "plain": b"no seed\n",
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_says_its_words(body: object) -> None:
    assert "no seed" in read_error(body).text
    if not isinstance(body, bytes):
        assert read_error(json.dumps(body).encode()) == read_error(body)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "not permitted", "input": 0}]},
        {"object": "error", "message": {"detail": [{"loc": ["body", "seed"], "msg": "not permitted"}]}},
        {"error": {"message": "not permitted", "param": "seed"}},
        {"message": "Validation failed", "errors": {"seed": ["not permitted"]}},
        {"detail": {"seed": "not permitted"}},
    ],
)
def test_the_field_at_fault_is_named(body: object) -> None:
    assert "seed: not permitted" in read_error(body).text


def test_the_first_of_many_faults_are_said_once_each() -> None:
    body = {"detail": [{"loc": ["body", name], "msg": "missing"} for name in "abcdefgh"], "message": "body.a: missing"}
    assert (
        read_error(body).text == "body.a: missing; body.b: missing; body.c: missing; body.d: missing; body.e: missing"
    )


@pytest.mark.parametrize(("body", "text"), [(b"", ""), ({}, ""), ([], ""), (None, ""), ({"x": 1}, "")])
def test_nothing_said(body: object, text: str) -> None:
    assert read_error(body) == StatedError(text)


def test_one_short_line_without_what_a_terminal_obeys() -> None:
    text = read_error({"error": "a\x1b[31mred\x1b[0m\r\nb\x00\u202ec" + "x" * 5000}).text
    assert text.startswith("a [31mred [0m b c")
    assert text.isprintable()
    assert len(text) < 310


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429}}, 429),
        ({"error": {"code": "429"}}, 429),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"error": {"type": "rate_limit_error"}}, 429),
        ({"error": {"code": "RateLimitReached"}}, 429),
        ({"error": "Rate limit exceeded"}, 429),
        ({"error": {"type": "overloaded_error"}}, 503),
        ({"error": {"code": "invalid_api_key"}}, 401),
        ({"error": {"code": "model_not_found"}}, 404),
        ({"error": {"type": "invalid_request_error"}}, 400),
        ({"status": 418, "error": "teapot"}, 418),
        ({"error": {"code": 200}}, None),
        ({"error": {"code": 40303}}, None),
        ({"error": "boom"}, None),
    ],
)
def test_the_status_that_an_error_stands_for(body: object, status: int | None) -> None:
    assert read_error(body).status == status


@pytest.mark.parametrize(
    ("status", "words", "kind", "billed", "retryable"),
    [
        (400, "", Status.PROVIDER_ERROR, False, False),
        (402, "", Status.PROVIDER_ERROR, False, False),
        (408, "", Status.PROVIDER_ERROR, True, True),
        (425, "", Status.PROVIDER_ERROR, False, True),
        (429, "", Status.PROVIDER_ERROR, False, True),
        (429, "insufficient_quota", Status.PROVIDER_ERROR, False, False),
        (500, "", Status.PROVIDER_ERROR, True, True),
        (529, "overloaded_error", Status.PROVIDER_ERROR, True, True),
        (None, "", Status.PROVIDER_ERROR, True, True),
        (400, "content_filter", Status.FILTERED, False, False),
        (400, "data_inspection_failed", Status.FILTERED, False, False),
    ],
)
def test_what_a_refusal_means(status: int | None, words: str, kind: Status, billed: bool, retryable: bool) -> None:
    found = failure(status, StatedError("x", words), "reason")
    assert (found.status, found.billed, found.retryable) == (kind, billed, retryable)


def test_work_that_was_reported_was_billed() -> None:
    assert failure(429, StatedError("x"), "reason", usage=Usage(1, 2)).billed


def test_waits() -> None:
    asked = StatedError("x", wait=7.0)
    assert failure(429, asked, "reason").retry_after == 7.0
    assert failure(429, asked, "reason", wait=2.0).retry_after == 2.0
    assert failure(500, asked, "reason").retry_after is None  # advice to people, such as "retry within 7 s"
    assert "asks to wait 7 s" in failure(429, asked, "reason").reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "loc", "param", "type", "status"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON | st.binary())
@example(b"[" * 100_000)
@example(b"<" * 100_000)
@example(b"<title" + b"x" * 100_000)
@example("{" * 5_000)
@example({"errors": {str(number): ["a", "b"] for number in range(5_000)}})
@example({"error": [{"message": str(number)} for number in range(5_000)]})
@example({"error": {"error": {"error": {"error": {"error": {"error": {"error": {"error": {"error": "deep"}}}}}}}}})
def test_anything_is_one_short_line(body: object) -> None:
    stated = read_error(body)
    assert stated.text == one_line(stated.text)
    assert stated.status is None or 400 <= stated.status < 600


def test_a_key_in_an_error_is_not_told() -> None:
    key = "sk-" + "proj-" + "CANARYabcdefghijklmnop0123456789"
    stated = read_error(json.dumps({"error": {"message": f"Incorrect API key provided:\n{key}."}}).encode())
    assert stated.text == "Incorrect API key provided: [redacted]."
