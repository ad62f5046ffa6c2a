"""The race: a leader, and challengers that meet more tasks only while they may still beat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..graphs.plan import Plan
from .base import Brief, Proposal
from .capability import best_in_some_family
from .measurement import Measurement
from .race import Race
from .standing import Standing

__all__ = ["Racing"]


class Racing:
    """Finds the best plan that the cap allows for little of what measuring all plans would pay.

    It begins with few plans in which every knob's value occurs once, on few tasks. From then on there is a leader. In
    each round the challengers are those with the largest expected improvement for what measuring them would pay, given
    that calls which other plans have made already are not paid again: recombinations of what was measured are free.
    A challenger meets twice as many tasks each time, up to those that the leader has met (intensification, Hutter et
    al. 2011), and takes over where it is better on the same tasks. The leader meets more tasks as the spend is used.
    A challenger is dropped when at each of several prices of a token the leader is better in nearly all paired
    bootstrap draws; more budget for a model is not proposed where its capability cards say that it gains nothing.

    When the leader has met all tasks, what is left goes in turns to the leaders at these prices: the frontier.

    Args:
        brief: the plans, the tasks and what may be spent.
        until: the part of the spend, as the race estimates it, at which to stop; None: when nothing more is to gain.
    """

    def __init__(self, brief: Brief, *, until: float | None = None) -> None:
        self._brief = brief
        self._until = until
        self._standing = Standing(brief.affordable, brief.seed)
        self._race: Race | None = None

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        # The race so far is kept, and begun anew where it does not agree with what was measured.
        if self._race is None or not self._race.agrees(measured):
            self._race = Race(self._brief, self._until)
        return self._race.go_on(measured)

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the best that the cap allows, then the frontiers, overall and by family.

        Plans that were measured on a quarter of the tasks of the longest count, on these tasks.
        """
        longest = max((len(m.outcomes) for m in measured.values()), default=0)
        finished = [m for m in measured.values() if len(m.outcomes) == longest]
        some = max(1, longest // 4)
        known = [m.first(some) for m in measured.values() if len(m.outcomes) >= some]
        leaders = self._standing.finalists(finished)
        ordered = [
            *leaders[:1],
            *self._standing.finalists(known),
            *best_in_some_family(known, self._brief.families),
        ]
        known_best = [m for m in ordered if not self._standing.too_dear(m)]
        return list(dict.fromkeys(m.plan for m in [*leaders[:1], *known_best, *leaders, *ordered]))
