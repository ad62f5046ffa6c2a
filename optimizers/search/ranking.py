"""Where plans stand under a cap: what a search is for, as an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..bootstrap import resample_weights
from .measurement import Measurement, frontier

__all__ = ["Ranking"]

_DRAWS = 400
_SURE = 0.975
"""The share of bootstrap draws in which a mean must lie on one side of the cap to be there for sure."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Orders measurements: plans that the cap allows for sure, best score first; doubtful ones; then the cheapest."""

    affordable: float
    """What a task may cost on average, in the unit of the measurements."""
    seed: int = 0

    def fits(self, measurement: Measurement) -> bool:
        """Whether the mean of charged and lost is within the cap for sure, by bootstrap over the tasks."""
        return self._share_within(measurement) >= _SURE

    def too_dear(self, measurement: Measurement) -> bool:
        """Whether it is above the cap for sure."""
        return self._share_within(measurement) <= 1 - _SURE

    def key(self, measurement: Measurement) -> tuple[int, float, float, str]:
        """A sort key, best first. Above the cap nothing counts but the cost."""
        within = self._share_within(measurement)
        if within <= 1 - _SURE:
            return 2, measurement.cost, -measurement.score, measurement.plan.hash
        return int(within < _SURE), -measurement.score, measurement.cost, measurement.plan.hash

    def order(self, measured: Sequence[Measurement]) -> list[Measurement]:
        """The measurements, best first."""
        return sorted(measured, key=self.key)

    def finalists(self, measured: Sequence[Measurement]) -> list[Measurement]:
        """The best, the frontier of score against cost, then the others; each once."""
        if not measured:
            return []
        best_first = self.order(measured)
        return list({m.plan.hash: m for m in [best_first[0], *frontier(list(measured)), *best_first]}.values())

    def _share_within(self, measurement: Measurement) -> float:
        burdens = measurement.burdens
        if burdens.max() <= self.affordable:
            return 1.0
        if burdens.min() > self.affordable:
            return 0.0
        weights = resample_weights(len(burdens), _DRAWS, self.seed)
        return float(np.mean(weights @ burdens <= self.affordable))
