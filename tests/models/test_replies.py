from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apportion.errors import CallFailed
from apportion.models.replies import read_reply, read_usage
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
        "finish_reason": st.sampled_from(["stop", "length", "content_filter", "error"]) | JSON,
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


def outcome_of(content: bytes) -> Reply | CallFailed:
    try:
        return read_reply(content)
    except CallFailed as failure:
        return failure


@given(WILD_COMPLETION | JSON)
def test_any_json_is_a_sound_reply_or_a_typed_failure(content: Any) -> None:
    outcome = outcome_of(json.dumps(content).encode())
    usage = outcome.usage
    if isinstance(outcome, CallFailed):
        assert outcome.billed
        assert outcome.status in (Status.PROVIDER_ERROR, Status.REFUSED)
    else:
        (outcome.text + outcome.reasoning + outcome.response_id).encode()
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
def test_any_bytes_are_a_typed_failure(content: bytes) -> None:
    with pytest.raises(CallFailed) as failure:
        read_reply(content)
    assert failure.value.billed
    assert len(failure.value.reason) < 400


def test_a_plain_reply() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    reply = read_reply(body(usage=usage, id="c1", model="m-1"))
    assert (reply.text, reply.finish_reason, reply.usage) == ("four", "stop", Usage(7, 2))
    assert (reply.response_id, reply.response_model) == ("c1", "m-1")


@pytest.mark.parametrize(
    ("finish", "expected"), [(None, "stop"), ("eos", "stop"), ("model_length", "length"), ("length", "length")]
)
def test_other_words_for_the_same_end(finish: str | None, expected: str) -> None:
    assert read_reply(body(finish=finish)).finish_reason == expected


@pytest.mark.parametrize("finish", ["error", "cancelled", ""])
def test_an_unknown_end_is_no_answer(finish: str) -> None:
    with pytest.raises(CallFailed, match="unknown finish_reason"):
        read_reply(body(finish=finish))


def test_null_content_is_empty_text() -> None:
    reply = read_reply(body({"content": None, "reasoning": "hm"}, finish="length"))
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("", "hm", "length")


def test_what_goes_with_the_answer_may_be_of_any_type() -> None:
    reply = read_reply(body({"content": "four", "refusal": 0, "reasoning": {"steps": []}}, id=7, model=None))
    assert (reply.text, reply.reasoning, reply.response_id) == ("four", "", "")


def test_a_refusal_is_a_reply_that_is_kept_with_its_usage() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    reply = read_reply(body({"content": None, "refusal": "no way"}, usage=usage))
    assert (reply.text, reply.finish_reason, reply.usage) == ("no way", "refusal", Usage(5, 3))


def test_lone_surrogates_are_replaced() -> None:
    content = rb'{"choices": [{"message": {"content": "a\ud83d b\ud83d\ude00"}, "finish_reason": "stop"}]}'
    assert read_reply(content).text == "a� b😀"


def test_a_web_page_hints_at_the_url() -> None:
    with pytest.raises(CallFailed, match="base_url") as failure:
        read_reply(b"\n<!DOCTYPE html><html></html>")
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2}, Usage(7, 2)),
        # Reasoning that shows in the total alone is charged as output.
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 60}, Usage(7, 53)),
        # A total that is too small or is no count changes nothing.
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 3}, Usage(7, 2)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": "60"}, Usage(7, 2)),
        # More reasoning than output, as some servers count with speculative decoding.
        (
            {"prompt_tokens": 7, "completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 71}},
            Usage(7, 64, reasoning_tokens=64),
        ),
        (
            {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
            Usage(7, 2, cached_input_tokens=4),
        ),
        ({"prompt_tokens": "7", "completion_tokens": 2}, None),
        ({"prompt_tokens": 7.0, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 7, "completion_tokens": -2}, None),
        ({"prompt_tokens": 7}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, None),
        ("7", None),
        (None, None),
    ],
)
def test_usage(content: object, usage: Usage | None) -> None:
    assert read_usage(content) == usage


def tokens(*logprobs: float, top: list[float] | None = None) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"token": "x", "logprob": logprob} for logprob in logprobs]
    if top is not None:
        content[0]["top_logprobs"] = [{"token": "y", "logprob": logprob} for logprob in top]
    return {"content": content}


def test_logprobs() -> None:
    half = math.log(0.5)
    reply = read_reply(body(logprobs=tokens(half, 3 * half, top=[half, half])))
    assert reply.mean_logprob == pytest.approx(2 * half)
    assert reply.first_token_entropy == pytest.approx(math.log(2))


def test_the_rest_of_the_probability_counts_as_one_token() -> None:
    reply = read_reply(body(logprobs=tokens(math.log(0.5), top=[math.log(0.5), math.log(0.25)])))
    assert reply.first_token_entropy == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))


@pytest.mark.parametrize("logprobs", [tokens(math.nan), tokens(-1.0, math.inf), {"content": []}, {"content": None}, []])
def test_logprobs_that_are_none(logprobs: Any) -> None:
    reply = read_reply(body(logprobs=logprobs))
    assert (reply.text, reply.mean_logprob, reply.first_token_entropy) == ("four", None, None)
