"""What calls cost, learned from what plans cost."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats, Ints
from ..regression import ridge

__all__ = ["learn_prices"]

_STEPS = 8
_PENALTY = 0.1
"""On the effect of one setting on the logarithm of a price."""
_OWN = 0.3
"""How many sightings weigh as much as what an item has in common with others."""


def learn_prices(items: Ints, draws: Ints | Floats, costs: Floats, traits: Floats) -> Floats:
    """The price of a draw of each item, also of items that were never seen.

    A plan costs the sum of its items. That sum is split by proportional fitting (Deming and Stephan 1940); the
    logarithm of an item's price is then a ridge regression on its traits, so that a model's weight or a longer style
    shows in items that nobody has run.

    Args:
        items: (plans, width), numbers of items; 0 is no item.
        draws: (plans, width), how many samples of each a task; a part of one where a node does not run on every task.
        costs: (plans,), what the plans cost a task.
        traits: (all items, traits), 0 or 1; the row of item 0 is zero.

    Returns:
        (all items,), in the unit of the costs; 0 for item 0.
    """
    used = items > 0
    if not used.any():  # plans that make no calls
        return np.zeros(len(traits))
    level = float(np.mean(costs / np.maximum((draws * used).sum(axis=1), 1)))
    logs = np.full(len(traits), np.log(max(level, 1e-12)))
    for _ in range(_STEPS):
        parts = np.where(used, np.exp(logs[items]) * draws, 0.0)
        totals = np.maximum(parts.sum(axis=1, keepdims=True), 1e-12)
        errors = np.log(np.clip(costs[:, None] / totals, 1e-3, 1e3))
        shares = parts / totals
        seen: Floats = np.bincount(items.ravel(), shares.ravel(), len(traits)).astype(np.float64)
        off = np.bincount(items.ravel(), (shares * errors).ravel(), len(traits))
        told = np.flatnonzero(seen > 0)
        found = logs[told] + off[told] / seen[told]
        common = _foretold(traits[told], found, seen[told], traits)
        own = seen[told] / (seen[told] + _OWN)
        logs = common
        logs[told] += own * (found - common[told])
    prices: Floats = np.exp(logs)
    prices[0] = 0.0
    return prices


def _foretold(traits: Floats, values: Floats, weights: Floats, everything: Floats) -> Floats:
    """Predicts for all items from those seen; around the mean, so that what was never seen is like the usual."""
    mean = float(np.average(values, weights=weights))
    return np.asarray(mean + everything @ ridge(traits, values - mean, _PENALTY, weights))
