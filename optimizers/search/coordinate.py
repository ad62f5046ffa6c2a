"""Coordinate ascent: one knob or edge at a time, all its values tried, the best one kept."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ...graphs.plan import Plan
from .base import ProblemSpec, Proposal
from .measurement import Measurement
from .ranking import Ranking

__all__ = ["CoordinateAscent"]

_MOST_SWEEPS = 20


class CoordinateAscent:
    """Sweeps over the knobs and edges until a whole sweep brings nothing better (LLMSelector, Chen et al. 2025).

    Every plan meets all tasks. The first ascent begins at the space's default; as long as there is something to spend,
    further ones begin at random plans.

    Args:
        spec: the plans, the tasks and what may be spent.
        starts: how many ascents there are at most.
    """

    def __init__(self, spec: ProblemSpec, *, starts: int = 4) -> None:
        self._space = spec.space
        self._tasks = spec.tasks
        self._standing = Ranking(spec.affordable, spec.seed)
        generator = random.Random(spec.seed)
        begin = [spec.space.default(), *(spec.space.sample(generator) for _ in range(starts - 1))]
        self._starts = tuple(dict.fromkeys(begin))

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        for start in self._starts:
            missing = self._ascend(start, measured)
            if missing:
                return missing
        return []

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the best that the cap allows, the frontier, then the rest."""
        whole = [m for m in measured.values() if len(m.outcomes) >= self._tasks]
        return [m.plan for m in self._standing.finalists(whole)]

    def _ascend(self, here: Plan, measured: Mapping[str, Measurement]) -> list[Proposal]:
        """Climbs as far as the measurements reach; returns what is missing, or nothing at the top."""
        start = Proposal(here, self._tasks)
        if not start.met(measured):
            return [start]
        for _ in range(_MOST_SWEEPS):
            before = here
            for coordinate in self._coordinates(here):
                around = [here, *self._along(here, coordinate)]
                missing = [each for each in (Proposal(p, self._tasks) for p in around) if not each.met(measured)]
                if missing:
                    return missing
                here = min((measured[plan.hash] for plan in around), key=self._standing.key).plan
            if here == before:
                break
        return []

    def _coordinates(self, plan: Plan) -> list[str]:
        """The optional edges first, because what they cut off has no knobs to try."""
        return [*self._space.optional_edges, *plan.values]

    def _along(self, plan: Plan, coordinate: str) -> list[Plan]:
        """The other plans on a line: an edge the other way round, or a knob's other values."""
        if coordinate in plan.values:
            others = [value for value in self._space.knobs[coordinate] if value != plan.values[coordinate]]
            made = [
                self._space.nearest({**plan.values, coordinate: value}, plan.edges, keep=coordinate) for value in others
            ]
        elif coordinate in self._space.optional_edges:
            made = [p for p in self._space.neighbours(plan) if (coordinate in p.edges) != (coordinate in plan.edges)]
        else:
            made = []
        return [other for other in dict.fromkeys(made) if other != plan]
