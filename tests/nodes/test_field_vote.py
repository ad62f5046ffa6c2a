from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.nodes.field_vote import field_vote


@pytest.mark.parametrize(
    ("values", "value", "agreement"),
    [
        ([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 4, "b": 3}], {"a": 1, "b": 3}, 2 / 3),
        ([{"a": {"x": 1, "y": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"x": 3, "y": 2}}], {"a": {"x": 1, "y": 2}}, 2 / 3),
        ([{"a": 1}, {"a": 1, "b": 2}, {"a": 1}], {"a": 1}, (1 + 2 / 3) / 2),
        ([{"a": [1, 2]}, {"a": [2, 1]}, {"a": [2, 1]}], {"a": [2, 1]}, 2 / 3),
        ([{"a": 1}, {"a": 1.0}, {"a": "1"}], {"a": 1}, 2 / 3),
        ([{"a": 1}, {"a": 2}], {"a": 1}, 0.5),
        ([{"a": {"x": 1}}, {"a": None}, {"a": None}], {"a": None}, 2 / 3),
        ([[1], [1], [2]], [1], 2 / 3),
        ([{}], {}, 1.0),
    ],
)
def test_each_field_is_what_most_say(values: list[Any], value: Any, agreement: float) -> None:
    found = field_vote(values)
    assert found.value == value
    assert found.agreement == pytest.approx(agreement)


VALUES = st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2, None, {"x": 1}, {"x": 2}]), max_size=3)


@given(VALUES, st.integers(1, 4), st.lists(VALUES, max_size=3))
def test_what_most_say_whole_they_say_field_by_field(value: dict[str, Any], more: int, others: list[Any]) -> None:
    found = field_vote([value] * (len(others) + more) + others)
    assert found.value == value
    assert 0 <= found.agreement <= 1
