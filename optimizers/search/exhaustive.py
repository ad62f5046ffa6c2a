"""Every plan on every task: the yardstick of all other searches, where everything is on record already or cheap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import UsageError
from ...graphs.plan import Plan
from .base import ProblemSpec, Proposal
from .measurement import Measurement
from .ranking import Ranking

__all__ = ["Exhaustive"]

_MOST = 5000
_BATCH = 64
"""Plans that are proposed at once, so that a spend that runs out leaves the first of them measured."""


class Exhaustive:
    """Measures all plans of a space on the whole fit part.

    Args:
        spec: the plans, the tasks and what may be spent.

    Raises:
        UsageError: the space has more than 5,000 plans.
    """

    def __init__(self, spec: ProblemSpec) -> None:
        if spec.space.size > _MOST:
            raise UsageError(
                f"the space has {spec.space.size:,} plans, and an exhaustive search takes at most {_MOST:,}; "
                "pin some knobs, or choose another optimizer"
            )
        self._plans = tuple(spec.space)
        self._tasks = spec.tasks
        self._standing = Ranking(spec.affordable, spec.seed)

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        missing = [p for p in self._plans if p.hash not in measured or len(measured[p.hash].outcomes) < self._tasks]
        return [Proposal(plan, self._tasks) for plan in missing[:_BATCH]]

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the best that the cap allows, the frontier, then the rest."""
        seen = [measured[plan.hash] for plan in self._plans if plan.hash in measured]
        return [m.plan for m in self._standing.finalists(seen)]
