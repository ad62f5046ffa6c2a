from __future__ import annotations

from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.exhaustive import Exhaustive
from apportion.testing.optimizer import OptimizerConformance


class TestExhaustive(OptimizerConformance):
    def make(self, spec: ProblemSpec) -> Optimizer:
        return Exhaustive(spec)
