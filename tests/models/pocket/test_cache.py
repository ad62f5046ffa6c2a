"""What has been read moves between rows unchanged."""

from __future__ import annotations

import numpy as np

from apportion.models.pocket.cache import Cache
from apportion.models.pocket.layer import Shape

SHAPE = Shape(vocabulary=11, width=32, layers=2, heads=2, hidden=88, window=64)


def filled() -> Cache:
    cache = Cache(SHAPE, 3)
    cache.kept[:] = np.random.default_rng(1).integers(-127, 128, cache.kept.shape)
    return cache


def test_items_are_the_same_memory_at_the_places_said() -> None:
    cache = filled()
    row, side, head, position = 2, 1, 0, 17
    place = cache.places[row, 0, side * SHAPE.heads + head] + position

    item = cache.items[1][place]

    assert item.tobytes() == cache.kept[1, row, side, head, position].tobytes()
    cache.items[1][place] = cache.items[0][0]
    assert np.array_equal(cache.kept[1, row, side, head, position], cache.kept[0, 0, 0, 0, 0])


def test_copies_and_restored_rows_hold_the_first_positions_and_nothing_else() -> None:
    cache = filled()
    before = cache.kept.copy()

    cache.copy(0, 1, 20)
    cache.put(2, cache.take(0, 30), 10)

    assert np.array_equal(cache.kept[:, 1, :, :, :20], before[:, 0, :, :, :20])
    assert np.array_equal(cache.kept[:, 1, :, :, 20:], before[:, 1, :, :, 20:])
    assert np.array_equal(cache.kept[:, 2, :, :, :10], before[:, 0, :, :, :10])
    assert np.array_equal(cache.kept[:, 2, :, :, 10:], before[:, 2, :, :, 10:])


def test_workspaces_are_made_once_and_share_their_memory() -> None:
    cache = Cache(SHAPE, 3)

    small, large = cache.workspace(2), cache.workspace(5)

    assert cache.workspace(2) is small
    assert np.shares_memory(small.whole, large.whole)
