from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recorded_reasoning import dial

POSITIONS = np.array([1.0, 2.0, 4.0, 8.0])


@pytest.mark.parametrize(
    ("scores", "position"),
    [
        ([0.1, 0.2, 0.4, 0.6], 4.0),
        ([0.1, 0.2, 0.6, 0.6], 2**1.5),
        ([0.5, 0.3, 0.5, 0.6], 2**1.5),
        ([0.5, 0.5, 0.5, 0.5], 1.0),
        ([0.1, 0.3, 0.2, 0.1], 2.0),
    ],
)
def test_the_dial_is_where_all_further_positions_are_good_enough(scores: list[float], position: float) -> None:
    wanted = 0.4
    assert dial(POSITIONS, np.array(scores), wanted) == pytest.approx(position, rel=0.3 if position == 2**1.5 else 1e-9)
