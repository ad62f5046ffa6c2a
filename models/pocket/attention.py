"""Attention of a few queries in each row to what the row has read, in whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .layer import PER_NAT
from .products import Floats
from .workspace import Workspace

__all__ = ["Attention"]

_WEIGHTS = np.rint(255 * np.exp(-np.arange(7 * PER_NAT + 1) / PER_NAT)).astype(np.float32)
"""Attention weights; the table ends where a weight rounds to 0."""


class Attention:
    """Values weighted by how well their keys fit the queries.

    Args:
        space: takes the scores, and the result in `mixed`, a row for each query.
        queries: (rows, heads, steps, head width).
        reach: how many positions are looked at.
        mask: (rows, 1, steps, reach), far below zero where a position must not be seen; None where all may be.
    """

    def __init__(self, space: Workspace, queries: Floats, reach: int, mask: Floats | None) -> None:
        rows, heads, steps, head_width = queries.shape
        number = rows * heads * steps
        self._queries = queries
        self._reach = reach
        self._mask = mask
        self._flat = space.scores[: number * reach]
        self._entries = space.entries[: number * reach]
        self._by_query = self._flat.reshape(number, reach)
        self._scores = self._flat.reshape(rows, heads, steps, reach)
        self._begins = np.arange(0, number * reach, reach)
        self._ones = space.ones[:reach]
        self._mixed = space.mixed.reshape(rows, steps, heads, head_width).transpose(0, 2, 1, 3)

    def of_one_step(self, steps: NDArray[np.intp], space: Workspace) -> Attention:
        """The same for a single query of each row; `steps` says which, (rows,)."""
        chosen = (np.arange(len(steps)), slice(None), steps)
        mask = None if self._mask is None else self._mask[chosen][:, :, None]
        return Attention(space, self._queries[chosen][:, :, None], self._reach, mask)

    def compute(self, keys: Floats, values: Floats, score_step: np.float32) -> None:
        """Fills `mixed`.

        Args:
            keys: (rows, heads, head width, reach).
            values: (rows, heads, reach, head width).
            score_step: from a product of a query and a key to entries of the table of weights.
        """
        np.matmul(self._queries, keys, self._scores)
        if self._mask is not None:
            self._scores += self._mask
        by_query = self._by_query
        np.subtract(np.maximum.reduceat(self._flat, self._begins)[:, None], by_query, by_query)
        self._flat *= score_step
        np.copyto(self._entries, self._flat, casting="unsafe")
        _WEIGHTS.take(self._entries, 0, self._flat, "clip")
        np.matmul(self._scores, values, self._mixed)
        self._mixed /= (by_query @ self._ones).reshape(self._scores.shape[:3])[..., None]
