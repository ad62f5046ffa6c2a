from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.call_bounds import CallBounds
from apportion.models.replies.usage import LONGEST_TOKEN_BYTES, read_usage
from apportion.records.usage import Usage

BOUNDS = CallBounds(100, 50)


def read(content: object, said: str = "four") -> Usage | None:
    return read_usage(content, said, lambda: BOUNDS)[0]


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2}, Usage(7, 2)),
        ({"prompt_tokens": 7.0, "completion_tokens": 2.0}, Usage(7, 2)),
        ({"input_tokens": 7, "output_tokens": 2}, Usage(7, 2)),
        ({"promptTokens": 7, "completionTokens": 2, "totalTokens": 9}, Usage(7, 2)),
        # Reasoning that shows in the total alone is charged as output.
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 60}, Usage(7, 53)),
        ({"prompt_tokens": 7, "total_tokens": 60}, Usage(7, 53)),
        ({"completion_tokens": 53, "total_tokens": 60}, Usage(7, 53)),
        # A total that is too small or is no count changes nothing.
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 3}, Usage(7, 2)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": "60"}, Usage(7, 2)),
        # More reasoning than output, as some servers count with speculative decoding.
        (
            {"prompt_tokens": 7, "completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 71}},
            Usage(7, 64, reasoning_tokens=64),
        ),
        ({"input_tokens": 7, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 5}}, Usage(7, 9, 5)),
        ("7", None),
        (None, None),
        ({}, None),
        ([], None),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}, None),
    ],
)
def test_whole_records_and_none(content: object, usage: Usage | None) -> None:
    assert read(content) == usage


@pytest.mark.parametrize(
    "cached",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"input_tokens_details": {"cached_tokens": 4}},
        {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 3},
        {"cached_tokens": 4},
        {"cache_read_input_tokens": 4},
        {"prompt_tokens_details": None, "cached_tokens": 4},
    ],
)
def test_cached_tokens_are_a_part_of_the_prompt(cached: dict[str, object]) -> None:
    assert read({"prompt_tokens": 7, "completion_tokens": 2, **cached}) == Usage(7, 2, cached_input_tokens=4)


def test_cached_tokens_that_stand_beside_the_prompt_are_added() -> None:
    beside = {"cache_read_input_tokens": 90, "cache_creation_input_tokens": 3}
    assert read({"input_tokens": 7, "output_tokens": 2, **beside}) == Usage(100, 2, cached_input_tokens=90)
    assert read({"prompt_tokens": 7, "completion_tokens": 2, **beside}) == Usage(100, 2, cached_input_tokens=90)


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        ({"completion_tokens": 5}, (100, 5)),
        ({"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}, (100, 5)),
        ({"prompt_tokens": "7", "completion_tokens": 5}, (100, 5)),
        ({"prompt_tokens": True, "completion_tokens": 5}, (100, 5)),
        ({"prompt_tokens": 7.5, "completion_tokens": 5}, (100, 5)),
        ({"prompt_tokens": 10**30, "completion_tokens": 5}, (100, 5)),
        ({"prompt_tokens": 7}, (7, 50)),
        ({"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}, (7, 50)),
        ({"prompt_tokens": 7, "completion_tokens": -2}, (7, 50)),
        ({"total_tokens": 25}, (1, 24)),
        ({"total_tokens": 120}, (70, 50)),
        # An overrun shows in whatever is left of the record.
        ({"completion_tokens": 2826}, (100, 2826)),
        ({"total_tokens": 2826}, (2776, 50)),
    ],
)
def test_what_is_missing_is_taken_at_its_bound(content: object, usage: tuple[int, int]) -> None:
    assert read(content) == Usage(*usage, estimated=True)


def test_a_text_that_alone_breaks_the_cap_is_an_overrun_without_any_usage() -> None:
    assert read(None, "x" * 50 * LONGEST_TOKEN_BYTES) is None
    assert read(None, "x" * 51 * LONGEST_TOKEN_BYTES) == Usage(100, 51, estimated=True)


def test_an_empty_reply_may_take_no_output() -> None:
    assert read({"prompt_tokens": 7, "completion_tokens": 0}, "") == Usage(7, 0)


@pytest.mark.parametrize("said", ["x" * 4000, "é" * 2000, "漢" * 1333 + "x"])
def test_the_output_is_at_least_what_the_text_can_have_taken(said: str) -> None:
    usage, note = read_usage({"prompt_tokens": 7, "completion_tokens": 1}, said, lambda: BOUNDS)
    assert usage == Usage(7, -(-4000 // LONGEST_TOKEN_BYTES), estimated=True)
    assert "1 output tokens reported for 4,000 bytes; charged 32" in note


def test_a_credible_count_is_not_touched() -> None:
    assert read({"prompt_tokens": 7, "completion_tokens": 32}, "x" * 4000) == Usage(7, 32)


COUNT = st.integers(-5, 400) | st.sampled_from([None, "3", 2.0, True])


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT)),
    st.text(max_size=40),
)
def test_never_below_what_was_reported(content: dict[str, object], said: str) -> None:
    usage = read(content, said)
    known = [value if type(value) is int and value > 0 else 0 for value in content.values()]
    if usage is not None:
        prompt, output, total = (
            value if type(value := content.get(name)) is int else 0
            for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        )
        assert usage.input_tokens >= prompt
        assert usage.output_tokens >= max(output, bool(said))
        assert usage.total_tokens >= total
    else:
        assert not any(known)
