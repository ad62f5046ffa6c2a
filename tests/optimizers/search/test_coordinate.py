from __future__ import annotations

from apportion.optimizers.search.base import Brief, Optimizer
from apportion.optimizers.search.coordinate import CoordinateAscent
from apportion.testing.optimizer import OptimizerConformance


class TestCoordinateAscent(OptimizerConformance):
    def make(self, brief: Brief) -> Optimizer:
        return CoordinateAscent(brief)
