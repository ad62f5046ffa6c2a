"""The seams of the search: what proposes plans, and what measures them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...graphs.plan import Plan
from ...graphs.space import Space
from .measurement import Measurement

__all__ = ["Evaluator", "Optimizer", "ProblemSpec", "Proposal"]


@dataclass(frozen=True, slots=True)
class ProblemSpec:
    """What an optimizer is told before it begins."""

    space: Space
    tasks: int
    """How many tasks the fit part has."""
    affordable: float
    """What a task may cost on average, in the unit of the measurements."""
    first_plans: int = 60
    """How many plans the spend suggests to begin with."""
    first_tasks: int = 24
    """On how many tasks the spend suggests to begin."""
    seed: int = 0
    spend: float | None = None
    """What the search may pay, in the unit of the measurements; None where nobody said."""
    families: tuple[str, ...] = ()
    """Of the tasks, in the common order; empty where nobody said."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan to be measured on the first tasks of the common order."""

    plan: Plan
    tasks: int
    """How many tasks of the fit part, from the first; what is measured already is not run again."""

    def met(self, measured: Mapping[str, Measurement]) -> bool:
        """Whether all of it has been measured already."""
        known = measured.get(self.plan.hash)
        return known is not None and len(known.outcomes) >= self.tasks


class Optimizer(Protocol):
    """Proposes plans until it has nothing more to ask.

    `propose` is called in turns with measuring: first with nothing measured, then with all that has been measured so
    far, by the hash of the plan. It must depend on its arguments and its seed only, because a study that was stopped
    is resumed by asking again from the start.
    """

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """The next plans to measure; empty when the search is over."""

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """The plans worth a look on validation, best bets first."""


class Evaluator(Protocol):
    """Measures plans on tasks, and books the trials."""

    async def measure(self, proposals: Sequence[Proposal], part: str) -> Sequence[Measurement]:
        """Runs each proposal's plan on the first tasks of a part (fit, validation or test), in the common order.

        Raises:
            SpendExhausted: the study's account cannot pay for it; what was finished before stays measured.
        """
