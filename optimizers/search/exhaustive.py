"""Every plan on every task: the yardstick of all other searches, where everything is on record already or cheap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...errors import UsageError
from ...graphs.plan import Plan
from .base import ProblemSpec, Proposal
from .measurement import Measurement
from .ranking import Ranking

__all__ = ["Exhaustive", "WholePlans"]

_MOST = 5000
_BATCH = 64


class WholePlans:
    """Measures plans that are known from the start, each on the whole fit part.

    Args:
        spec: the tasks and what may be spent.
        plans: in the order in which they are measured.
        at_once: how many are proposed at once, so that a spend that runs out leaves the first of them measured; all
            where left out.
    """

    def __init__(self, spec: ProblemSpec, plans: Iterable[Plan], at_once: int | None = None) -> None:
        self._proposals = [Proposal(plan, spec.tasks) for plan in plans]
        self._at_once = at_once
        self._standing = Ranking(spec.affordable, spec.seed)

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        return [proposal for proposal in self._proposals if not proposal.met(measured)][: self._at_once]

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the best that the cap allows, the frontier, then the rest."""
        seen = [measured[each.plan.hash] for each in self._proposals if each.plan.hash in measured]
        return [m.plan for m in self._standing.finalists(seen)]


class Exhaustive(WholePlans):
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
        super().__init__(spec, spec.space, _BATCH)
