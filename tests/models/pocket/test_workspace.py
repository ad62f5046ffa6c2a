"""Views that must be views: a copy among them would be written and never read."""

from __future__ import annotations

import numpy as np

from apportion.models.pocket.layer import Shape
from apportion.models.pocket.workspace import new_workspace

SHAPE = Shape(vocabulary=11, width=32, layers=2, heads=2, hidden=88, window=64)


def test_halves_of_heads_change_places() -> None:
    space = new_workspace(SHAPE).first(3)
    space.projected[:] = np.arange(space.projected.size).reshape(space.projected.shape)

    space.halves.take(space.exchange, 0, space.turned_halves, "clip")

    heads = space.projected.reshape(3, 3 * SHAPE.heads, 2, SHAPE.head_width // 2)
    assert np.array_equal(space.turned.reshape(heads.shape), heads[:, :, ::-1])


def test_keys_and_values_are_items_of_the_projection() -> None:
    space = new_workspace(SHAPE).first(2)
    space.projected[:] = np.arange(space.projected.size).reshape(space.projected.shape)

    assert space.keys_values.shape == (2, 2 * SHAPE.heads)
    assert space.keys_values[1].tobytes() == space.projected[1, SHAPE.width :].tobytes()


def test_the_first_rows_share_the_memory_of_all() -> None:
    space = new_workspace(SHAPE)
    few = space.first(4)

    assert len(few.whole) == 4
    assert len(space.whole) == SHAPE.tokens
    for name in ("whole", "projected", "turned", "scores", "entries", "gate", "up", "gated", "mixed", "change"):
        assert np.shares_memory(getattr(few, name), getattr(space, name)), name
