"""Products of whole numbers, however they are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apportion.models.pocket.products import ONE_THREAD, Matrix, Product


@pytest.mark.parametrize(("inputs", "outputs"), [(32, 96), (64, 352), (128, 688), (344, 128), (128, 48), (700, 130)])
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 16, 17, 37, 64, 97, 256])
def test_every_cut_gives_the_whole_product_in_pieces_for_one_thread(
    inputs: int, outputs: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(rows)
    left = rng.integers(-127, 128, (rows, inputs)).astype(np.float32)
    right = rng.integers(-127, 128, (inputs, outputs)).astype(np.float32)
    result = np.full((rows, outputs), np.nan, np.float32)
    sizes = []
    matmul = np.matmul

    def noted(first: Any, second: Any, out: Any) -> Any:
        sizes.append(first.shape[-2] * first.shape[-1] * second.shape[-1])
        return matmul(first, second, out=out)

    product, matrix = Product(left, result), Matrix(right)
    monkeypatch.setattr(np, "matmul", noted)
    product.compute(matrix)

    assert np.array_equal(result, left.astype(np.int64) @ right.astype(np.int64))
    assert max(sizes) <= ONE_THREAD


def test_a_product_sees_the_rows_as_they_are_when_it_is_computed() -> None:
    rows, result = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    product = Product(rows, result)
    rows[:] = 2

    product.compute(Matrix(np.eye(3, dtype=np.float32)))

    assert (result == 2).all()
