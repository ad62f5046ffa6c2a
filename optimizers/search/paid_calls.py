"""Which calls have been paid for: what measuring a plan would still pay, given what others have asked."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Bools, Floats, Ints

__all__ = ["PaidCalls"]

_LEVELS = 8
"""How many steps of how often a gated node runs are told apart."""


class PaidCalls:
    """On how many tasks each draw of each item has been asked for.

    A node behind a gate runs on a part of the tasks. Where one plan lets it run more often than another, it is taken to
    run on the other's tasks too, as with two thresholds of one gate; so its calls come in levels, the first of which
    nearly every plan pays for, the last only those whose gate is open.

    Args:
        gated: whether a node may run on a part of the tasks.
    """

    def __init__(self, *, gated: bool) -> None:
        self._levels = _LEVELS if gated else 1
        self._tasks: Ints = np.zeros((0, 0, self._levels), np.intp)

    def copy(self) -> PaidCalls:
        """One that can be noted in without changing this one."""
        other = PaidCalls(gated=self._levels > 1)
        other._tasks = self._tasks.copy()
        return other

    def widen(self, items: int, draws: int) -> None:
        """Makes room for so many items, and for so many draws of each."""
        old = self._tasks.shape
        more = ((0, max(0, items - old[0])), (0, max(0, draws - old[1])), (0, 0))
        self._tasks = np.pad(self._tasks, more)

    def clear(self) -> None:
        """Forgets what was noted."""
        self._tasks[:] = 0

    def note(self, items: Ints, draws: Ints, shares: Floats, tasks: int) -> None:
        """Notes what calls have been made once a plan has met so many tasks.

        Args:
            items: (width,), numbers of items.
            draws: (width,), how many samples of each.
            shares: (width,), of the tasks on which it runs.
            tasks: how many.
        """
        for item, most, share in zip(items, draws, shares, strict=True):
            made = self._tasks[item, :most, : math.ceil(share * self._levels)]
            np.maximum(made, tasks, out=made)

    def unpaid(self, items: Ints, draws: Ints, shares: Floats, tasks: Ints, prices: Floats) -> Floats:
        """What it would pay to measure plans on their first tasks.

        Args:
            items: (plans, width).
            draws: (plans, width).
            shares: (plans, width).
            tasks: (plans,).
            prices: (items,), of a draw.
        """
        missing = np.maximum(tasks[:, None, None, None] - self._tasks[items], 0)
        levels = np.ceil(shares * self._levels)
        each = shares / np.maximum(levels, 1)
        wanted = self._wanted(draws, levels)
        return np.asarray(((missing * wanted).sum(axis=(2, 3)) * each * prices[items]).sum(axis=1))

    def free(self, items: Ints, draws: Ints, shares: Floats, most: int) -> Ints:
        """On how many tasks plans could be measured without paying; `most` where they call nothing."""
        wanted = self._wanted(draws, np.ceil(shares * self._levels))
        return np.asarray(np.where(wanted, self._tasks[items], most).min(axis=(1, 2, 3)))

    def total(self, prices: Floats) -> float:
        """What has been paid, as far as can be told: calls of different plans may still be equal."""
        return float(prices @ self._tasks.sum(axis=(1, 2))) / self._levels

    def _wanted(self, draws: Ints, levels: Floats) -> Bools:
        """(plans, width, draws, levels)."""
        by_draw = np.arange(self._tasks.shape[1]) < draws[:, :, None]
        by_level = np.arange(self._levels) < levels[:, :, None]
        return np.asarray(by_draw[:, :, :, None] & by_level[:, :, None, :])
