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


class Matrix:
    """A matrix of whole numbers in float32, kept whole and in blocks of columns that lie together in memory.

    Args:
        values: (inputs, outputs).
    """

    def __init__(self, values: Floats) -> None:
        inputs, outputs = values.shape
        even = outputs // _BLOCK * _BLOCK
        self.values = np.ascontiguousarray(values)
        """(inputs, outputs)."""
        blocks = values[:, :even].reshape(inputs, even // _BLOCK, 1, _BLOCK)
        self.blocks = np.ascontiguousarray(blocks.transpose(1, 2, 0, 3))
        """(blocks, 1, inputs, columns)."""
        self.rest = np.ascontiguousarray(values[:, even:])
        """(inputs, the outputs that fill no block)."""


class Product:
    """Multiplies the same array of rows with any matrix of one shape, into the same result.

    Args:
        rows: (number, inputs).
        result: (number, outputs).
    """

    def __init__(self, rows: Floats, result: Floats) -> None:
        (number, inputs), outputs = rows.shape, result.shape[1]
        self._whole: list[tuple[Floats, Floats]] = []
        self._blocks: list[tuple[Floats, Floats]] = []
        self._rest: list[tuple[Floats, Floats]] = []
        most = ONE_THREAD // (inputs * outputs)
        if most >= min(number, _FEW_ROWS):
            self._whole = [_in_groups(rows[part], result[part], most) for part in _parts(number, most)]
            return
        most = max(1, ONE_THREAD // (inputs * _BLOCK))
        even = outputs // _BLOCK * _BLOCK
        for part in _parts(number, most):
            grouped, columns = _in_groups(rows[part], result[part], most)
            groups, height = grouped.shape[:2]
            if even:
                blocks = columns[:, :, :even].reshape(groups, height, even // _BLOCK, _BLOCK)
                self._blocks.append((grouped, blocks.transpose(2, 0, 1, 3)))
            if even < outputs:
                self._rest.append((grouped, columns[:, :, even:]))

    def compute(self, matrix: Matrix) -> None:
        """Fills the result."""
        for rows, result in self._whole:
            np.matmul(rows, matrix.values, out=result)
        for rows, result in self._blocks:
            np.matmul(rows, matrix.blocks, out=result)
        for rows, result in self._rest:
            np.matmul(rows, matrix.rest, out=result)


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
    """Both as (groups, rows of a group, columns); where one group is enough, rows as they are for whole matrices."""
    groups = _groups(len(rows), most)
    return rows.reshape(groups, -1, rows.shape[1]), result.reshape(groups, -1, result.shape[1])
