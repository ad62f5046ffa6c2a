"""Weights in multiples of 1/255 of what fits best."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apportion.models.pocket.attention import Attention
from apportion.models.pocket.layer import PER_NAT, Shape
from apportion.models.pocket.workspace import new_workspace

SHAPE = Shape(vocabulary=11, width=32, layers=1, heads=2, hidden=88, window=64)
STEP = np.float32(0.01)


def whole(rng: np.random.Generator, *size: int) -> np.ndarray:
    return rng.integers(-127, 128, size).astype(np.float32)


@pytest.mark.parametrize(("rows", "steps", "reach"), [(1, 1, 1), (3, 1, 50), (2, 5, 9), (1, 4, 64)])
def test_values_are_weighted_by_how_well_their_keys_fit(rows: int, steps: int, reach: int) -> None:
    rng = np.random.default_rng(reach)
    queries = whole(rng, rows, SHAPE.heads, steps, SHAPE.head_width)
    keys, values = whole(rng, 2, rows, SHAPE.heads, reach, SHAPE.head_width)
    hidden = rng.random((rows, 1, steps, reach)) < 0.3
    hidden[..., 0] = False
    space = new_workspace(SHAPE).first(rows * steps)

    mask = np.where(hidden, np.float32(-1e9), np.float32(0))
    Attention(space, queries, reach, mask).compute(keys.swapaxes(-1, -2), values, STEP)

    mixed = space.mixed.reshape(rows, steps, SHAPE.heads, SHAPE.head_width)
    for row, head, step in np.ndindex(rows, SHAPE.heads, steps):
        seen = ~hidden[row, 0, step]
        scores = keys[row, head, seen] @ queries[row, head, step]
        below = ((scores.max() - scores) * STEP).astype(int)
        weights = np.array([round(255 * math.exp(-entry / PER_NAT)) for entry in below.tolist()])
        expected = (weights @ values[row, head, seen]).astype(np.float32) / np.float32(weights.sum())
        assert np.array_equal(mixed[row, step, head], expected)


def test_a_single_step_of_each_row_is_that_step() -> None:
    rng = np.random.default_rng(0)
    rows, steps, reach = 3, 4, 20
    queries = whole(rng, rows, SHAPE.heads, steps, SHAPE.head_width)
    keys, values = whole(rng, 2, rows, SHAPE.heads, reach, SHAPE.head_width)
    mask = np.where(rng.random((rows, 1, steps, reach)) < 0.3, np.float32(-1e9), np.float32(0))
    steps_chosen = np.array([3, 0, 2])
    large = new_workspace(SHAPE)
    attention = Attention(large.first(rows * steps), queries, reach, mask)
    attention.compute(keys.swapaxes(-1, -2), values, STEP)
    all_steps = large.mixed[: rows * steps].reshape(rows, steps, -1).copy()

    attention.of_one_step(steps_chosen, large.first(rows)).compute(keys.swapaxes(-1, -2), values, STEP)

    assert np.array_equal(large.mixed[:rows], all_steps[np.arange(rows), steps_chosen])
