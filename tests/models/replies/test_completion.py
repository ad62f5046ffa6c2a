from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apportion.errors import CallFailed
from apportion.models.call_bounds import CallBounds
from apportion.models.replies.completion import read_reply
from apportion.models.request import Reply
from apportion.records.status import Status
from apportion.records.usage import Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WILD_LOGPROBS = st.lists(
    st.fixed_dictionaries({"logprob": JSON | st.floats(max_value=0)}, optional={"top_logprobs": JSON}), max_size=3
)
WILD_CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "message": st.fixed_dictionaries({}, optional={"content": JSON, "refusal": JSON, "reasoning": JSON}) | JSON,
        "finish_reason": st.sampled_from(["stop", "length", "content_filter", "error", "zenith"]) | JSON,
        "logprobs": st.fixed_dictionaries({"content": WILD_LOGPROBS}) | JSON,
    },
)
WILD_COUNT = st.integers() | st.sampled_from(["3", None, 2.0, True, -1])
WILD_USAGE = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": WILD_COUNT,
        "completion_tokens": WILD_COUNT,
        "total_tokens": WILD_COUNT,
        "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": WILD_COUNT}) | JSON,
        "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": WILD_COUNT}) | JSON,
    },
)
WILD_COMPLETION = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(WILD_CHOICE, max_size=2) | JSON, "usage": WILD_USAGE | JSON, "id": JSON}
)


def body(message: Any = None, finish: Any = "stop", logprobs: Any = None, **fields: Any) -> bytes:
    message = {"role": "assistant", "content": "four"} if message is None else message
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return json.dumps({"choices": [choice], **fields}).encode()


def read(content: bytes) -> Reply:
    return read_reply(content, lambda: CallBounds(100, 50))


def outcome_of(content: bytes) -> Reply | CallFailed:
    try:
        return read(content)
    except CallFailed as failure:
        return failure


@given(WILD_COMPLETION | JSON)
def test_any_json_is_a_sound_reply_or_a_typed_failure(content: Any) -> None:
    outcome = outcome_of(json.dumps(content).encode())
    usage = outcome.usage
    if isinstance(outcome, CallFailed):
        assert outcome.status in (Status.PROVIDER_ERROR, Status.REFUSED)
        assert len(outcome.reason) < 500
    else:
        (outcome.text + outcome.reasoning + outcome.response_id + outcome.note).encode()
        assert Reply.from_json(outcome.to_json()) == outcome
        assert outcome.mean_logprob is None or -math.inf < outcome.mean_logprob <= 0
        assert outcome.first_token_entropy is None or 0 <= outcome.first_token_entropy < math.inf
    if usage is not None:
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens
        assert 0 <= usage.cached_input_tokens <= usage.input_tokens


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"choices": ' + b"9" * 5000 + b"}")
@example(b"\xff\xfe\x00")
@example(b"")
@example(b"data: [DONE]")
@example(b'"' + b"\\u0022" * 20 + b'"')
def test_any_bytes_are_a_typed_failure(content: bytes) -> None:
    with pytest.raises(CallFailed) as failure:
        read(content)
    assert failure.value.billed
    assert len(failure.value.reason) < 400


def test_a_plain_reply() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    reply = read(body(usage=usage, id="c1", model="m-1"))
    assert reply == Reply("four", "stop", Usage(7, 2), response_id="c1", response_model="m-1")


WHOLE = {
    "parts": [{"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}],
    "Mistral": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "four"}],
    "output_text": [{"type": "output_text", "text": "four", "annotations": []}],
    "assistants": [{"type": "text", "text": {"value": "four", "annotations": []}}],
    "texts": ["fo", "ur"],
    "one part": {"type": "text", "text": "four"},
    "with an image": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "four"}],
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
def test_content_in_any_form_is_a_reply(content: object) -> None:
    assert read(body({"role": "assistant", "content": content})).text == "four"


ENVELOPES = {
    "bare": {"choices": [{"message": {"content": "four"}}]},
    "one choice": {"choices": {"message": {"content": "four"}, "finish_reason": "stop"}},
    "completions": {"object": "text_completion", "choices": [{"text": "four", "index": 0, "finish_reason": "stop"}]},
    "delta": {"choices": [{"delta": {"content": "four"}, "finish_reason": "stop"}]},
    "message as text": {"choices": [{"message": "four", "finish_reason": "stop"}]},
    "wrapped": {"code": 0, "msg": "success", "data": {"choices": [{"message": {"content": "four"}}]}},
    "in a list": [{"choices": [{"message": {"content": "four"}}]}],
    "in a text": json.dumps(json.dumps({"choices": [{"message": {"content": "four"}}]})),
    "null fields": {
        "id": None,
        "created": None,
        "usage": None,
        "error": None,
        "choices": [{"index": None, "message": {"role": None, "content": "four", "tool_calls": None}}],
    },
    "followed by junk": json.dumps({"choices": [{"message": {"content": "four"}}]}) + "</body>",
    "no choices": {"message": {"role": "assistant", "content": "four"}, "done_reason": "stop", "done": True},
    "no choices, parts": {"message": {"content": [{"type": "text", "text": "four"}]}, "finish_reason": "COMPLETE"},
    "an error that is none": {
        "error": {"code": 0, "message": ""},
        "choices": [{"message": {"content": "four"}, "finish_reason": "stop"}],
    },
    "text beside a tool call": {
        "choices": [
            {"message": {"content": None, "tool_calls": [{"id": "1"}]}, "finish_reason": "tool_calls"},
            {"message": {"content": "four"}, "finish_reason": "stop"},
        ]
    },
}


@pytest.mark.parametrize("content", ENVELOPES.values(), ids=ENVELOPES.keys())
def test_a_whole_reply_in_any_envelope(content: object) -> None:
    reply = read(content.encode() if isinstance(content, str) else json.dumps(content).encode())
    assert (reply.text, reply.finish_reason) == ("four", "stop")


def test_what_strict_json_would_refuse() -> None:
    plain = body({"content": "a?b"})
    assert read(b"\n\n  \xef\xbb\xbf".strip() + plain).text == "a?b"  # a byte order mark
    assert read(b"\n\n\n" + plain).text == "a?b"  # DeepSeek and OpenRouter keep the connection alive with empty lines
    assert read(plain.replace(b"?", b"\n")).text == "a\nb"
    assert read(plain.replace(b"?", b"\xff")).text == "a\ufffdb"


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        (None, "stop"),
        ("STOP", "stop"),
        ("", "stop"),
        ("MAX_TOKENS", "length"),
        ("content_filter: SPII", "content_filter"),
    ],
)
def test_other_words_for_the_same_end(finish: str | None, expected: str) -> None:
    reply = read(body(finish=finish))
    assert (reply.finish_reason, reply.note) == (expected, "")


def test_an_unknown_end_of_a_whole_text_is_noted() -> None:
    reply = read(body(finish="zenith"))
    assert (reply.text, reply.finish_reason) == ("four", "stop")
    assert "'zenith' is not known" in reply.note


@pytest.mark.parametrize("finish", [None, "", "zenith"])
def test_a_text_as_long_as_the_cap_was_cut_where_nothing_says_how_it_ended(finish: str | None) -> None:
    assert read(body(finish=finish, usage={"prompt_tokens": 7, "completion_tokens": 50})).finish_reason == "length"
    assert read(body(finish=finish, usage={"prompt_tokens": 7, "completion_tokens": 49})).finish_reason == "stop"


@pytest.mark.parametrize(
    ("finish", "retryable"), [("error", True), ("abort", True), ("cancelled", True), (None, True), ("zenith", False)]
)
def test_an_end_without_an_answer_is_a_failure_that_cost_something(finish: str | None, retryable: bool) -> None:
    broken = {"content": "par" if finish in ("error", "abort", "cancelled") else ""}
    with pytest.raises(CallFailed) as failure:
        read(body(broken, finish=finish, usage={"prompt_tokens": 7, "completion_tokens": 2}))
    assert (failure.value.usage, failure.value.billed, failure.value.retryable) == (Usage(7, 2), True, retryable)


def test_null_content_is_empty_text() -> None:
    reply = read(body({"content": None, "reasoning": "hm"}, finish="length"))
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("", "hm", "length")


def test_what_goes_with_the_answer_may_be_of_any_type() -> None:
    reply = read(body({"content": "four", "refusal": 0, "reasoning": {"steps": []}}, id=7, model=None))
    assert (reply.text, reply.reasoning, reply.response_id) == ("four", "", "")


@pytest.mark.parametrize(
    "message", [{"content": None, "refusal": "no way"}, {"content": [{"type": "refusal", "refusal": "no way"}]}]
)
def test_a_refusal_is_a_reply_that_is_kept_with_its_usage(message: dict[str, Any]) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    reply = read(body(message, usage=usage))
    assert (reply.text, reply.finish_reason, reply.usage) == ("no way", "refusal", Usage(5, 3))


def test_a_tool_call_that_nobody_asked_for_is_an_empty_reply_with_a_note() -> None:
    reply = read(body({"content": None, "tool_calls": [{"id": "1"}]}, finish="tool_calls"))
    assert (reply.text, reply.finish_reason) == ("", "stop")
    assert "tool call" in reply.note


def test_parts_that_were_left_out_are_noted() -> None:
    content = [{"type": "text", "text": "four"}, {"type": "reference", "reference_ids": [1]}]
    assert "reference" in read(body({"content": content})).note


def test_lone_surrogates_are_replaced() -> None:
    content = rb'{"choices": [{"message": {"content": "a\ud83d b\ud83d\ude00"}, "finish_reason": "stop"}]}'
    assert read(content).text == "a\ufffd b\U0001f600"


def test_a_web_page_hints_at_the_url_and_says_its_title() -> None:
    with pytest.raises(CallFailed, match=r"web page: 'Sign in'.*base_url") as failure:
        read(b"\n<!DOCTYPE html><html><title>Sign in</title></html>")
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("content", "text", "billed", "retryable", "wait"),
    [
        ({"error": {"code": 429, "message": "Rate limit exceeded"}}, "429: Rate limit", False, True, None),
        ({"error": {"code": "429", "message": "Slow down, retry after 7 s"}}, "429: Slow", False, True, 7.0),
        ({"code": "rate_limit_daily", "message": "Error code: 429 - ..."}, "429", False, True, None),
        (
            {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None},
            "rate limit",
            False,
            True,
            None,
        ),
        ({"error": {"code": 401, "message": "No auth"}}, "401: No auth", False, False, None),
        ({"error": {"type": "insufficient_quota", "message": "pay"}}, "pay", False, False, None),
        ({"object": "error", "message": "Too long", "code": 400}, "400: Too long", False, False, None),
        ({"error": {"code": 502, "message": "upstream"}, "choices": []}, "502: upstream", True, True, None),
        ({"error": "boom"}, "boom", True, True, None),
        ({"detail": "boom"}, "boom", True, True, None),
        ([{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}], "busy", True, True, None),
        (
            {"choices": [{"error": {"code": 429, "message": "slow"}, "message": {"content": ""}}]},
            "slow",
            False,
            True,
            None,
        ),
        # Work that had begun is billed, whatever the error is called.
        (
            {"choices": [{"error": {"code": 429, "message": "slow"}, "message": {"content": "par"}}]},
            "slow",
            True,
            True,
            None,
        ),
    ],
)
def test_an_error_within_a_200(content: object, text: str, billed: bool, retryable: bool, wait: float | None) -> None:
    with pytest.raises(CallFailed) as failure:
        read(json.dumps(content).encode())
    assert text in failure.value.reason
    assert (failure.value.billed, failure.value.retryable) == (billed, retryable)
    assert failure.value.retry_after == wait


def test_an_error_with_usage_was_billed() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    with pytest.raises(CallFailed) as failure:
        read(json.dumps({"error": {"code": 429, "message": "slow"}, "usage": usage}).encode())
    assert (failure.value.billed, failure.value.usage) == (True, Usage(7, 2))


def test_a_filter_that_refuses_the_prompt_is_filtered() -> None:
    with pytest.raises(CallFailed) as failure:
        read(json.dumps({"error": {"code": "content_filter", "message": "no"}}).encode())
    assert (failure.value.status, failure.value.retryable) == (Status.FILTERED, False)
