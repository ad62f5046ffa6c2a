"""Keys and values of sequences, and the workspace in which they are read on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .layer import Shape
from .workspace import Workspace, new_workspace

__all__ = ["Cache"]


class Cache:
    """Keys and values of sequences side by side; a row is a sequence.

    Thread safety: none; a cache is advanced by one thread at a time.

    Args:
        shape: of the network.
        rows: the most sequences at once.
    """

    def __init__(self, shape: Shape, rows: int) -> None:
        self.kept = np.zeros((shape.layers, rows, 2, shape.heads, shape.window, shape.head_width), np.float32)
        """(layers, rows, keys and values, heads, positions, head width)."""
        self.items = self.kept.view(f"V{4 * shape.head_width}").reshape(shape.layers, -1)
        """(layers, everything else): the keys or the values of one head at one position as single items, which numpy
        writes far faster than their numbers one by one."""
        self.places = np.arange(rows * 2 * shape.heads).reshape(rows, 1, -1) * shape.window
        """(rows, 1, keys' and values' heads): where the items of each begin."""
        self._workspace = new_workspace(shape)
        self._workspaces: dict[int, Workspace] = {}

    def workspace(self, tokens: int) -> Workspace:
        """Room to advance so many tokens."""
        found = self._workspaces.get(tokens)
        if found is None:
            found = self._workspaces[tokens] = self._workspace.first(tokens)
        return found

    def copy(self, source: int, target: int, length: int) -> None:
        """Copies the first positions of a row to another."""
        self.kept[:, target, :, :, :length] = self.kept[:, source, :, :, :length]

    def take(self, row: int, length: int) -> NDArray[np.int8]:
        """The first positions of a row, small enough to be stored."""
        return self.kept[:, row, :, :, :length].astype(np.int8)

    def put(self, row: int, kept: NDArray[np.int8], length: int) -> None:
        """Restores the first positions of what `take` gave."""
        self.kept[:, row, :, :, :length] = kept[:, :, :, :length]
