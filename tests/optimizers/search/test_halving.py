from __future__ import annotations

from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.halving import SuccessiveHalving
from apportion.testing.optimizer import OptimizerConformance


class TestSuccessiveHalving(OptimizerConformance):
    def make(self, spec: ProblemSpec) -> Optimizer:
        return SuccessiveHalving(spec)
