"""What is left where the spend did not reach for comparing plans: one plan, and how little is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import SpendExhausted
from ...graphs.plan import Plan
from ..search.base import Proposal
from ..search.measurement import Measurement
from .cost_forecast import CostForecast
from .trials import TrialEvaluator

__all__ = ["Fallback", "fallback", "likeliest"]

_ROUNDS = (1, 2, 4, 8)
"""Tasks that each plan is tried on."""
_DOUBT = 2.0
"""How many failures a plan is thought to have had before its first run, so that one lucky run decides nothing."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A plan that stands in for the one that a search would have found."""

    plan: Plan
    seen: Measurement | None
    """Of the plan, on a few tasks; None where no plan has answered any."""

    @property
    def note(self) -> str:
        """What was not measured, for people."""
        name = self.plan.hash[:8]
        missing = "validation: the spend did not reach for comparing plans"
        if self.seen is None:
            return f"{missing}; the policy is plan {name}, one of the fewest nodes; no plan has answered a task yet"
        tasks = len(self.seen.outcomes)
        return (
            f"{missing}; the policy is plan {name}, the best of those that were tried: a score of "
            f"{self.seen.score:.2f} on {tasks} task{'s' if tasks > 1 else ''}, nothing on validation or test"
        )


async def fallback(
    evaluator: TrialEvaluator, first: Sequence[Proposal], forecast: CostForecast, affordable: float
) -> Fallback:
    """Tries the plans that a search begins with on as many tasks as can be paid for, and takes the best.

    Args:
        evaluator: of the study; what it pays for the fit part is what may still be paid.
        first: the proposals that the search began with, those of the fewest nodes first.
        forecast: of what plans charge.
        affordable: what a task may cost on average; plans that cost more are taken only where all do.
    """
    plans = sorted((proposal.plan for proposal in first), key=lambda plan: forecast.charged(plan) > affordable)
    try:
        for tasks in _ROUNDS:
            for plan in plans:
                await evaluator.measure([Proposal(plan, tasks)], "fit")
    except SpendExhausted:
        pass  # As far as it went is what is known.
    best = likeliest(evaluator, affordable)
    return Fallback(plans[0], None) if best is None else Fallback(best.plan, best)


def likeliest(evaluator: TrialEvaluator, affordable: float) -> Measurement | None:
    """The plan that did best on what tasks of fit it was run on, few as they may be; None where none answered any.

    Args:
        evaluator: of the study.
        affordable: what a task may cost on average; a plan that costs more is taken only where all do.
    """
    seen = dict(evaluator.interrupted)
    for plan_hash, found in evaluator.measured("fit").items():
        seen[plan_hash] = found.then(seen[plan_hash]) if plan_hash in seen else found
    answered = [found for found in seen.values() if found.coverage > 0]
    return max(
        answered,
        key=lambda found: (found.cost <= affordable, _worth(found), found.coverage, -found.cost),
        default=None,
    )


def _worth(found: Measurement) -> float:
    return float(found.scores.sum()) / (len(found.outcomes) + _DOUBT)
