from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.prediction.fitted import Array, Fitted, Indexes, rounded


class Line(Fitted):
    slopes: Array
    columns: Indexes
    shift: float = 0.0


@given(st.lists(st.floats(-1e30, 1e30), max_size=8))
def test_json_gives_back_every_digit(numbers: list[float]) -> None:
    line = Line(slopes=np.array(numbers), columns=np.arange(3), shift=1 / 3)
    again = Line.from_json(json.loads(json.dumps(line.to_json())))
    assert (again.slopes.tolist(), again.columns.tolist(), again.shift) == (numbers, [0, 1, 2], 1 / 3)


def test_arrays_of_any_shape_survive_and_cannot_be_written_to() -> None:
    line = Line(slopes=np.arange(6.0).reshape(2, 3), columns=np.zeros((1, 2), int))
    again = Line.from_json(line.to_json())
    assert (again.slopes.shape, again.columns.shape) == ((2, 3), (1, 2))
    assert again.columns.dtype == np.intp
    with pytest.raises(ValueError, match="read-only"):
        again.slopes[0, 0] = 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slopes": [1, float("nan")]}, "field 'slopes': .*finite"),
        ({"slopes": [1e31]}, "field 'slopes': .*none above 1e\\+30"),
        ({"slopes": [10**400]}, "field 'slopes': .*list of numbers"),
        ({"slopes": 3.0}, "field 'slopes': .*list of numbers"),
        ({"slopes": {"a": 1}}, "field 'slopes': .*list of numbers"),
        ({"slopes": None}, "field 'slopes'"),
        ({"slopes": ["many"]}, "field 'slopes'"),
        ({"shift": float("inf")}, "field 'shift': .*finite"),
        ({"columns": [10**30]}, "field 'columns'"),
        ({"columns": [2**40]}, "field 'columns'"),
        ({"columns": 3}, "field 'columns': .*list of numbers"),
        ({"slopes": [[1], [1, 2]]}, "field 'slopes'"),
        ({"columns": [0.5]}, "field 'columns': .*whole"),
        ({"columns": [-1]}, "field 'columns': .*not negative"),
        ({"more": 1}, "field 'more'"),
    ],
)
def test_what_cannot_be_read_is_named(change: dict[str, object], said: str) -> None:
    content = Line(slopes=np.ones(2), columns=np.zeros(1, int)).to_json()
    with pytest.raises(UsageError, match=f"this is no Line: {said}"):
        Line.from_json(content | change)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=8))
def test_rounding_keeps_digits_and_order(numbers: list[float]) -> None:
    array = np.sort(np.array(numbers))
    short = rounded(array, 4)
    assert np.allclose(short, array, rtol=1e-3, atol=0)
    assert (np.diff(short) >= 0).all()
    assert (rounded(short, 4) == short).all()
