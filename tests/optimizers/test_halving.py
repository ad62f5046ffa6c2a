from __future__ import annotations

from apportion.optimizers.base import Brief, Optimizer
from apportion.optimizers.halving import SuccessiveHalving
from apportion.testing.optimizer import OptimizerConformance


class TestSuccessiveHalving(OptimizerConformance):
    def make(self, brief: Brief) -> Optimizer:
        return SuccessiveHalving(brief)
