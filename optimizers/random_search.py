"""Random plans, all measured on all tasks: the baseline that a search has to beat."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ..graphs.plan import Plan
from .base import Brief, Proposal
from .measurement import Measurement, frontier

__all__ = ["RandomSearch"]


class RandomSearch:
    """Measures the space's default and random plans on the whole fit part (Bergstra and Bengio 2012).

    It draws as many plans as cost about what successive halving would: each plan meets all tasks, so fewer of them.

    Args:
        brief: the plans, the tasks and what may be spent.
    """

    def __init__(self, brief: Brief) -> None:
        self._brief = brief

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        tasks = self._brief.tasks
        missing = [p for p in self._plans() if p.hash not in measured or len(measured[p.hash].outcomes) < tasks]
        return [Proposal(plan, tasks) for plan in missing]

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the frontier, then the rest by score."""
        seen = [measured[plan.hash] for plan in self._plans() if plan.hash in measured]
        best = frontier(seen)
        rest = sorted((m for m in seen if m not in best), key=lambda m: (-m.score, m.cost, m.plan.hash))
        return [m.plan for m in [*best, *rest]]

    def _plans(self) -> list[Plan]:
        brief = self._brief
        wanted = min(brief.space.size, max(2, 3 * brief.first_plans * brief.first_tasks // brief.tasks))
        generator = random.Random(brief.seed)
        plans = {brief.space.default(): None}
        while len(plans) < wanted:
            plans[brief.space.sample(generator)] = None
        return list(plans)
