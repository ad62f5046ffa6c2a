from __future__ import annotations

from apportion.optimizers.search.base import Brief, Optimizer
from apportion.optimizers.search.exhaustive import Exhaustive
from apportion.testing.optimizer import OptimizerConformance


class TestExhaustive(OptimizerConformance):
    def make(self, brief: Brief) -> Optimizer:
        return Exhaustive(brief)
