from __future__ import annotations

import pytest

from apportion import Graph, Pool, Solver, Task
from apportion.graphs.bounds import Bounds
from apportion.optimizers.serving.output_caps import output_cap_within
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="2+2")


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_the_cap_is_the_largest_that_fits(spare: int) -> None:
    pool = Pool([ScriptedModel(str, name="m")])
    space = Graph("g").add("solve", Solver(model="m", max_output_tokens=500)).space(pool)
    bounds, plan = Bounds(space), space.default()

    def needed(cap: int | None) -> int:
        bound = bounds.of(plan, TASK, cap)
        return bound.call.tokens + bound.allowance.tokens

    assert output_cap_within(needed(None), plan, TASK, bounds, "tokens") is None
    assert output_cap_within(needed(8) - 1, plan, TASK, bounds, "tokens") == 0
    for cap in (8, 9, 63, 64, 100, 499):
        expected = cap + min(spare, 0) if needed(cap) + spare < needed(cap + 1) else cap + 1
        found = output_cap_within(needed(cap) + spare, plan, TASK, bounds, "tokens")
        assert found == (0 if expected < 8 else None if expected == 500 else expected)
        if found:
            assert needed(found) <= needed(cap) + spare < needed(found + 1)
