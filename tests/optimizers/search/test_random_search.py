from __future__ import annotations

from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.random_search import RandomSearch
from apportion.testing.optimizer import OptimizerConformance, planted_space, race


class TestRandomSearch(OptimizerConformance):
    def make(self, spec: ProblemSpec) -> Optimizer:
        return RandomSearch(spec)


def test_every_plan_meets_all_tasks() -> None:
    measured = race(RandomSearch(ProblemSpec(planted_space(), tasks=60, affordable=1e9)))
    assert {len(m.outcomes) for m in measured.values()} == {60}
    assert len(measured) == 3 * 60 * 24 // 60
