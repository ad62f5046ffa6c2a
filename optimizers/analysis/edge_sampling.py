"""Bools of edges, drawn from probabilities that learn what pays."""

from __future__ import annotations

import numpy as np

from ..arrays import Bools, Floats
from ..regression import logit, sigmoid

__all__ = ["EdgeSampler"]

_RATE = 0.1
_MOMENTS = (0.9, 0.999)
_SMALL = 1e-8
_LEAST_CHANCE = 0.02
"""No edge is less likely than this, or more likely than the rest: the floor of each choice's entropy."""
_SURE = 0.45
"""How far from even a probability must be to count as decided."""


class EdgeSampler:
    """Independent probabilities that an edge is on, which follow the gradient of the expected utility.

    REINFORCE over Bernoulli edges (GPTSwarm, Zhuge et al. 2024), with the mean of the others of a batch as each
    choice's baseline (Kool et al. 2019) and Adam steps. It begins at even chances.

    Args:
        edges: how many there are.
        seed: of the draws.
    """

    def __init__(self, edges: int, *, seed: int) -> None:
        self._logits = np.zeros(edges)
        self._first = np.zeros(edges)
        self._second = np.zeros(edges)
        self._steps = 0
        self._generator = np.random.default_rng([seed, edges])

    @property
    def probabilities(self) -> Floats:
        """(edges,): that an edge is on."""
        return sigmoid(self._logits)

    @property
    def settled(self) -> bool:
        """Whether every edge is decided."""
        return bool((np.abs(self.probabilities - 0.5) > _SURE).all())

    def draw(self, count: int) -> Bools:
        """(count, edges): whether each edge is on."""
        return self._generator.random((count, len(self._logits))) < self.probabilities

    def learn(self, drawn: Bools, utilities: Floats) -> None:
        """One step towards the choices that were better than the others of their batch.

        Args:
            drawn: (count, edges), as `draw` gave them, at least two.
            utilities: (count,).
        """
        count = len(utilities)
        advantages = (utilities - utilities.mean()) * count / (count - 1)
        gradient = advantages @ (drawn - self.probabilities) / count
        self._steps += 1
        decay_first, decay_second = _MOMENTS
        self._first = decay_first * self._first + (1 - decay_first) * gradient
        self._second = decay_second * self._second + (1 - decay_second) * np.square(gradient)
        mean = self._first / (1 - decay_first**self._steps)
        spread = np.sqrt(self._second / (1 - decay_second**self._steps))
        most = logit(np.array(1.0), _LEAST_CHANCE)
        self._logits = np.clip(self._logits + _RATE * mean / (spread + _SMALL), -most, most)
