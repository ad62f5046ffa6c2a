from __future__ import annotations

from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.coordinate import CoordinateAscent
from apportion.testing.optimizer import OptimizerConformance


class TestCoordinateAscent(OptimizerConformance):
    def make(self, spec: ProblemSpec) -> Optimizer:
        return CoordinateAscent(spec)
