"""Plain successive halving: the textbook's, as a yardstick for the race."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from itertools import accumulate

from ...graphs.plan import Plan
from .base import ProblemSpec, Proposal
from .measurement import Measurement
from .ranking import Ranking

__all__ = ["SuccessiveHalving"]


class SuccessiveHalving:
    """Measures random plans, drops the worse half, measures the rest on more tasks, and so on to the last one.

    Every round runs about as many tasks as the first (Karnin et al. 2013; Jamieson and Talwalkar 2016). Plans are
    ranked by their mean score among those whose mean cost is within the cap; the others come after them, the cheapest
    first. Nothing is resampled, and no plan enters later.

    Args:
        spec: the plans, the tasks and what may be spent; `first_plans` begin on `first_tasks`.
    """

    def __init__(self, spec: ProblemSpec) -> None:
        self._spec = spec
        wanted = min(spec.space.size, max(1, spec.first_plans))
        generator = random.Random(spec.seed)
        plans = {spec.space.default(): None}
        while len(plans) < wanted:
            plans[spec.space.sample(generator)] = None
        self._plans = tuple(plans)
        sizes = [math.ceil(wanted / 2**number) for number in range(max(1, math.ceil(math.log2(wanted))))]
        first = min(spec.first_tasks, spec.tasks)
        self._rounds = tuple(
            (size, min(spec.tasks, tasks))
            for size, tasks in zip(sizes, accumulate(first * wanted // size for size in sizes), strict=True)
        )

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        return self._race(measured)[0]

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: those that were measured longest, best first."""
        seen = [measured[plan.hash] for plan in self._race(measured)[1] if plan.hash in measured]
        longest = max((len(m.outcomes) for m in seen), default=0)
        standing = Ranking(self._spec.affordable, self._spec.seed)
        return [m.plan for m in standing.finalists([m for m in seen if len(m.outcomes) == longest])]

    def _race(self, measured: Mapping[str, Measurement]) -> tuple[list[Proposal], list[Plan]]:
        """Walks through the rounds as far as the measurements reach: (what is missing, who is in the race)."""
        racing = list(self._plans)
        for size, tasks in self._rounds:
            racing = racing[:size]
            missing = [each for each in (Proposal(plan, tasks) for plan in racing) if not each.met(measured)]
            if missing:
                return missing, racing
            racing.sort(key=lambda plan: self._rank(measured[plan.hash].first(tasks)))
        return [], racing

    def _rank(self, measurement: Measurement) -> tuple[bool, float, float, str]:
        cost = float(measurement.burdens.mean())
        above = cost > self._spec.affordable
        return above, cost if above else -measurement.score, cost, measurement.plan.hash
