from __future__ import annotations

from apportion.optimizers.search.base import Brief, Optimizer
from apportion.optimizers.search.halving import SuccessiveHalving
from apportion.testing.optimizer import OptimizerConformance


class TestSuccessiveHalving(OptimizerConformance):
    def make(self, brief: Brief) -> Optimizer:
        return SuccessiveHalving(brief)
