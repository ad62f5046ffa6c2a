"""Matrix products that stay in the calling thread, whatever the number of rows."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["ONE_THREAD", "Floats", "Matrix", "Product"]

Floats: TypeAlias = NDArray[np.float32]

ONE_THREAD = 2**18
"""OpenBLAS computes a product with at most so many multiplications in the calling thread. Larger ones it hands to
threads that spin, which costs these small products many times their work and the user's other threads their cores."""
_BLOCK = 64
"""Columns of a block: the more rows a block multiplies at once, the less often it is read from memory."""
_FEW_ROWS = 8
"""Fewer rows than these are better multiplied with blocks of the matrix than with all of it."""
_ALL, _BLOCKS, _REST = range(3)


class Matrix:
    """A matrix of whole numbers in float32, kept whole and in blocks of columns that lie together in memory.

    Args:
        values: (inputs, outputs).
    """

    def __init__(self, values: Floats) -> None:
        inputs, outputs = values.shape
        even = outputs // _BLOCK * _BLOCK
        blocks = values[:, :even].reshape(inputs, even // _BLOCK, 1, _BLOCK).transpose(1, 2, 0, 3)
        self.parts = (
            np.ascontiguousarray(values),
            np.ascontiguousarray(blocks),
            np.ascontiguousarray(values[:, even:]),
        )
        """All of it, (inputs, outputs); its blocks, (blocks, 1, inputs, columns); and (inputs, columns in no block)."""


class Product:
    """Multiplies the same array of rows with any matrix of one shape, into the same result.

    Args:
        rows: (number, inputs).
        result: (number, outputs).
    """

    def __init__(self, rows: Floats, result: Floats) -> None:
        (number, inputs), outputs = rows.shape, result.shape[1]
        self._steps: list[tuple[Floats, int, Floats]] = []
        """Rows, the part of the matrix that multiplies them, and where the product belongs."""
        most = ONE_THREAD // (inputs * outputs)
        if most >= min(number, _FEW_ROWS):
            for part in _parts(number, most):
                grouped, columns = _in_groups(rows[part], result[part], most)
                single = len(grouped) == 1
                self._steps.append((grouped[0], _ALL, columns[0]) if single else (grouped, _ALL, columns))
            return
        most = max(1, ONE_THREAD // (inputs * _BLOCK))
        even = outputs // _BLOCK * _BLOCK
        for part in _parts(number, most):
            grouped, columns = _in_groups(rows[part], result[part], most)
            groups, height = grouped.shape[:2]
            if even:
                blocks = columns[:, :, :even].reshape(groups, height, even // _BLOCK, _BLOCK)
                self._steps.append((grouped, _BLOCKS, blocks.transpose(2, 0, 1, 3)))
            if even < outputs:
                self._steps.append((grouped, _REST, columns[:, :, even:]))

    def compute(self, matrix: Matrix) -> None:
        """Fills the result."""
        for rows, part, result in self._steps:
            np.matmul(rows, matrix.parts[part], out=result)


def _parts(number: int, most: int) -> list[slice]:
    """Rows that can be split into equal groups of at most so many: all of them, or a multiple and the others."""
    if _groups(number, most):
        return [slice(0, number)]
    even = number // most * most
    return [slice(0, even), slice(even, number)]


def _groups(number: int, most: int) -> int:
    """The number of equal groups, fewer than twice as many as needed; 0 where there is none."""
    least = -(-number // most)
    return next((groups for groups in range(least, 2 * least) if number % groups == 0), 0)


def _in_groups(rows: Floats, result: Floats, most: int) -> tuple[Floats, Floats]:
    """Both as (groups, rows of a group, columns)."""
    groups = _groups(len(rows), most)
    return rows.reshape(groups, -1, rows.shape[1]), result.reshape(groups, -1, result.shape[1])
