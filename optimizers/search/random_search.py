"""Random plans, all measured on all tasks: the baseline that a search has to beat."""

from __future__ import annotations

import random

from ...graphs.plan import Plan
from .base import ProblemSpec
from .exhaustive import WholePlans

__all__ = ["RandomSearch"]


class RandomSearch(WholePlans):
    """Measures the space's default and random plans on the whole fit part (Bergstra and Bengio 2012).

    It draws as many plans as cost about what successive halving would: each plan meets all tasks, so fewer of them.

    Args:
        spec: the plans, the tasks and what may be spent.
    """

    def __init__(self, spec: ProblemSpec) -> None:
        super().__init__(spec, _drawn(spec))


def _drawn(spec: ProblemSpec) -> tuple[Plan, ...]:
    space, generator = spec.space, random.Random(spec.seed)
    wanted = min(space.size, max(2, 3 * spec.first_plans * spec.first_tasks // spec.tasks))
    if 2 * wanted >= space.size:  # Drawing one by one would repeat itself.
        plans = [plan for plan in space if plan != space.default()]
        return (space.default(), *generator.sample(plans, wanted - 1))
    found = {space.default(): None}
    while len(found) < wanted:
        found[space.sample(generator)] = None
    return tuple(found)
