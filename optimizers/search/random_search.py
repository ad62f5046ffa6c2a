"""Random plans, all measured on all tasks: the baseline that a search has to beat."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ...graphs.plan import Plan
from .base import ProblemSpec, Proposal
from .measurement import Measurement
from .ranking import Ranking

__all__ = ["RandomSearch"]


class RandomSearch:
    """Measures the space's default and random plans on the whole fit part (Bergstra and Bengio 2012).

    It draws as many plans as cost about what successive halving would: each plan meets all tasks, so fewer of them.

    Args:
        spec: the plans, the tasks and what may be spent.
    """

    def __init__(self, spec: ProblemSpec) -> None:
        self._tasks = spec.tasks
        self._standing = Ranking(spec.affordable, spec.seed)
        self._plans = _drawn(spec)

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        tasks = self._tasks
        missing = [p for p in self._plans if p.hash not in measured or len(measured[p.hash].outcomes) < tasks]
        return [Proposal(plan, tasks) for plan in missing]

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the best that the cap allows, the frontier, then the rest."""
        return [m.plan for m in self._standing.finalists([measured[p.hash] for p in self._plans if p.hash in measured])]


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
