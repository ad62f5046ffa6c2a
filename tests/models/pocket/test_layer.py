"""Sizes and weights as the arithmetic needs them."""

from __future__ import annotations

import pytest

from apportion.models.pocket.layer import Shape


def shape(width: int) -> Shape:
    return Shape(vocabulary=100, width=width, layers=3, heads=4, hidden=80, window=64)


@pytest.mark.parametrize("width", [16, 64, 128, 8192])
def test_fewer_tokens_advance_together_the_wider_they_are(width: int) -> None:
    assert shape(width).tokens >= shape(2 * width).tokens >= 16


def test_flops_count_the_matrix_products() -> None:
    matrices = 3 * (4 * 64 * 64 + 3 * 64 * 80) + 64 * 100

    assert shape(64).flops_per_token(0) == 2 * matrices
    assert shape(64).flops_per_token(10) - shape(64).flops_per_token(0) == 3 * 2 * 2 * 10 * 64
