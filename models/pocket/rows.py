"""What the jobs that advance together need in every step, as arrays: a loop over jobs would cost a tenth of a step."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .sampling import Draws

__all__ = ["Rows"]

Ints: TypeAlias = NDArray[np.intp]


class Rows:
    """A row for each job, as in the cache.

    Args:
        rows: the most jobs at once.
        window: the longest sequence.
    """

    def __init__(self, rows: int, window: int) -> None:
        self._numbers = np.arange(rows)
        self._last = np.zeros((rows, 1), np.intp)
        self._lengths = np.zeros(rows, np.intp)
        self._written = np.zeros(rows, np.intp)
        self._temperatures = np.zeros(rows)
        self._shares = np.ones(rows)
        self._draws = np.zeros((rows, window))

    def place(self, row: int, length: int, temperature: float, top_p: float, draws: Draws) -> None:
        """A new job stands in a row.

        Args:
            row: which.
            length: of the prompt, in tokens.
            temperature: see `choose`.
            top_p: see `choose`.
            draws: one for each token that may be written; not read at temperature 0.
        """
        self._lengths[row], self._written[row] = length, 0
        self._temperatures[row], self._shares[row] = temperature, top_p
        self._draws[row, : len(draws)] = draws

    def move(self, source: int, target: int) -> None:
        """The job of one row stands in another from now on."""
        for kept in (self._last, self._lengths, self._written, self._temperatures, self._shares, self._draws):
            kept[target] = kept[source]

    def length(self, row: int) -> int:
        """How many tokens of a row were read."""
        return int(self._lengths[row])

    def feed(self, row: int, token: int, *, drawn: bool) -> None:
        """The job of a row reads this token next, in place of the one that was chosen for it.

        Args:
            row: which.
            token: what it reads.
            drawn: whether the choice stands; else its draw is there for the next one.
        """
        self._last[row, 0] = token
        self._written[row] -= not drawn

    def go_back(self, row: int, length: int, token: int) -> None:
        """The job of a row goes on behind so many of its tokens, of which it reads the last once more."""
        self._lengths[row], self._last[row, 0] = length - 1, token

    def read(self, count: int) -> tuple[Ints, Ints]:
        """The last token of each of the first rows, (count, 1), and how many stand before it; it counts as read now."""
        before = self._lengths[:count].copy()
        self._lengths[:count] += 1
        return self._last[:count], before

    def choosing(self, first: int, count: int) -> tuple[NDArray[np.float64], Draws, NDArray[np.float64] | None]:
        """What `choose` needs of the rows from `first` on: temperatures, draws and, where any is below 1, `top_p`."""
        part = slice(first, first + count)
        shares = self._shares[part]
        draws = self._draws[self._numbers[part], self._written[part]]
        return self._temperatures[part], draws, shares if (shares < 1).any() else None

    def write(self, first: int, chosen: Ints) -> None:
        """The rows from `first` on get a token each."""
        part = slice(first, first + len(chosen))
        self._last[part, 0] = chosen
        self._written[part] += 1
