from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apportion.records import ZERO, Amount, Status, Usage
from apportion.records.usage import NO_USAGE

AMOUNTS = st.builds(Amount, *[st.integers(0, 10**12)] * 3)


@given(AMOUNTS, AMOUNTS)
def test_amounts_add_up_exactly(one: Amount, other: Amount) -> None:
    assert one + other - other == one
    assert one + ZERO == one


@given(AMOUNTS, AMOUNTS)
def test_an_amount_exceeds_another_in_any_unit(one: Amount, other: Amount) -> None:
    assert not one.exceeds(one + other)
    assert (one + Amount(usd=1)).exceeds(one)


def test_usage_counts_prompt_and_completion_once() -> None:
    assert Usage(10, 7, reasoning_tokens=5, cached_input_tokens=3).total_tokens == 17


def test_a_sum_of_usages_is_estimated_where_a_part_is() -> None:
    assert Usage(1, 2, 1) + Usage(3, 4, 2, 1, estimated=True) == Usage(4, 6, 3, 1, estimated=True)
    assert Usage(1, 2, 1) + NO_USAGE == Usage(1, 2, 1)


def test_only_ok_is_no_failure() -> None:
    assert [status for status in Status if not status.failed] == [Status.OK]
