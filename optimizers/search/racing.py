"""The race: a leader, and challengers that meet more tasks only while they may still beat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graphs.plan import Plan
from .base import ProblemSpec, Proposal
from .capability import best_in_some_family
from .measurement import Measurement
from .race_state import Race
from .ranking import Ranking
from .resumable import Resumable

__all__ = ["Racing"]


class Racing:
    """Finds the best plan that the cap allows for little of what measuring all plans would pay.

    It begins with few plans in which every knob's value occurs once, on few tasks. From then on there is a belief of
    what settings and edges do to the score, and a leader, the plan that is believed to be best. In each round the
    challengers are those with the largest expected improvement for what measuring them would pay, given that calls
    which other plans have made already are not paid again: recombinations of what was measured are free. A challenger
    meets half as many tasks again each time, up to those that the leader has met (intensification, Hutter et al. 2011).
    The leader meets more when most of what is to gain is in plans that have met as many. A challenger is dropped when
    at each of several prices of a token the best is better in nearly all paired bootstrap draws; more budget for a
    model is not proposed where its capability cards say that it gains nothing.

    When the leader has met all tasks, what is left goes in turns to the leaders at these prices: the frontier.

    Args:
        spec: the plans, the tasks and what may be spent.
        until: the part of the spend, as the race estimates it, at which to stop; None: when nothing more is to gain.
    """

    def __init__(self, spec: ProblemSpec, *, until: float | None = None) -> None:
        self._spec = spec
        self._standing = Ranking(spec.affordable, spec.seed)
        self._walk = Resumable(lambda: Race(spec, until).rounds())

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        return self._walk.go_on(measured)

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the one believed to be best, then the frontiers, overall and by family.

        Plans that were measured on a quarter of the tasks of the longest count, on these tasks.
        """
        if not measured:
            return []
        longest = max(len(m.outcomes) for m in measured.values())
        some = max(1, longest // 4)
        known = [m.first(some) for m in measured.values() if len(m.outcomes) >= some]
        ordered = [
            *self._standing.finalists([m for m in measured.values() if len(m.outcomes) == longest])[:1],
            *self._standing.finalists(known),
            *best_in_some_family(known, self._spec.families),
        ]
        allowed = [m.plan for m in ordered if not self._standing.too_dear(m)]
        best = Race(self._spec).best(list(measured.values()))
        return list(dict.fromkeys([best, *allowed, *(m.plan for m in ordered)]))
