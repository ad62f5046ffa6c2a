from __future__ import annotations

from apportion.optimizers.base import Brief, Optimizer
from apportion.optimizers.coordinate import CoordinateAscent
from apportion.testing.optimizer import OptimizerConformance


class TestCoordinateAscent(OptimizerConformance):
    def make(self, brief: Brief) -> Optimizer:
        return CoordinateAscent(brief)
