"""The smallest budget at which a policy reaches a score, and whether further questions bear that out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ...errors import UsageError
from ...tasks.dealing import grouped
from ..arrays import Floats
from ..finding import Finding
from ..policies.base import ArmPolicy
from ..policies.stratified import prepared
from ..serving.replay_batch import serve_on_table
from ..tables.table import Table
from ..tables.value import scored

__all__ = [
    "TargetReport",
    "TargetStep",
    "TargetTest",
    "bounds_of",
    "checked_target",
    "confirmation",
    "find_target",
]

_STEPS = 24
"""Budgets that are walked down at most, in equal ratios."""
_Z = 1.2815515655446004
"""The 90 % quantile of the normal distribution."""
_ROUNDING = 1e-12
_LEAST = 1e-3
"""The lowest budget beside the highest, where the cheapest arms cost nothing."""


class TargetStep(Finding):
    """A budget, and what the policy reached with it on validation, as one batch under the hard cap that it makes."""

    budget: float
    """Per question."""
    score: float
    low: float
    """Lower bound of the mean with 90 %, one-sided."""
    cost: float
    """Per question, as it was."""


class TargetTest(Finding):
    """The same at the budget that was found, on questions that had no part in finding it."""

    questions: int
    score: float
    low: float
    """With 90 %, one-sided."""
    high: float
    """Likewise."""
    cost: float
    verdict: Literal["confirmed", "refuted", "undecided"]
    """confirmed: the lower bound reaches the target; refuted: the upper bound does not; undecided: neither."""


class TargetReport(Finding):
    """What reaching a score costs."""

    target: float
    policy: str
    """Empty where there was none."""
    ceiling: float
    """The most that a question may cost on average: no larger budget was tried."""
    unit: str
    reached: bool
    budget: float | None
    """Per question: the smallest from which on, up to the ceiling, every lower bound reaches the target; None where it
    was not reached at the ceiling."""
    cap: float | None = None
    """In a study, the same for all its tasks."""
    best_score: float | None
    """The best mean score on validation at any budget that was tried; None where nothing was compared."""
    best_budget: float | None
    """The smallest budget that reached it."""
    steps: tuple[TargetStep, ...]
    """From the ceiling down."""
    test: TargetTest | None = None
    """None where the target was not reached, or there were no further questions."""
    why: str = ""
    """Why nothing was compared."""


def checked_target(target: object) -> float:
    """A score to reach.

    Raises:
        UsageError: it is not a number above 0 and at most 1.
    """
    if isinstance(target, int | float) and not isinstance(target, bool) and 0 < target <= 1:
        return float(target)
    raise UsageError(
        f"target_score must be a mean score to reach, above 0 and at most 1, not {target!r:.40}; 0.8 is 80 %"
    )


def bounds_of(scores: Floats, clusters: Sequence[str] | None = None) -> tuple[float, float]:
    """The lower and the upper bound of a mean of scores in [0, 1], each with 90 %, one-sided (Wilson 1927).

    Right for scores of 0 and 1; others vary less, so that the bounds are on the safe side. Unlike a bootstrap's they
    are not too narrow where all scores are the same. Questions of one cluster rise and fall together: they count as
    fewer, by the design effect (Kish 1965).

    Args:
        scores: (questions,); at least one.
        clusters: (questions,): the names of their clusters, empty where one stands alone.
    """
    count, mean = _independent(scores, clusters), float(scores.mean())
    middle = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * math.sqrt(mean * (1 - mean) / count + _Z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _independent(scores: Floats, clusters: Sequence[str] | None) -> float:
    """How many independent questions tell as much of the mean."""
    count, groups = len(scores), grouped(clusters or [""] * len(scores))
    spread = float(((scores - scores.mean()) ** 2).sum())
    if spread < _ROUNDING:
        return float(len(groups))
    between = sum(float((scores[members] - scores.mean()).sum()) ** 2 for members in groups)
    return count / max(1.0, between / spread)


def find_target(policy: ArmPolicy, validation: Table, target: float, ceiling: float) -> TargetReport:
    """Walks down from the ceiling as long as the lower bound of the score reaches the target.

    The order of the tests is fixed beforehand and the walk ends with the first that fails, so that each may take the
    whole 10 % of error and the claim for the smallest budget needs no correction for having tried several (Hsu and
    Berger 1999; Maurer, Hothorn and Lehmacher 1995). Where not even the ceiling reaches the target, the rest of the
    budgets is looked at for the best score alone.

    A target is a mean score, also where a wrong answer costs something: what is left unanswered scores 0 then.

    Args:
        policy: its arms are arms of the table, or cascades of these.
        validation: what every arm scored and cost, on questions that the policy was not fitted to.
        target: in (0, 1].
        ceiling: the most that a question may cost on average.

    Raises:
        UsageError: the target cannot be, or there are no questions.
    """
    target = checked_target(target)
    if not validation.questions:
        raise UsageError("there are no validation questions on which a target score could be looked for; give more")
    known = replace(scored(validation), known=prepared(policy, validation.batch()).known)
    steps: list[TargetStep] = []
    found: TargetStep | None = None
    for budget in _budgets(policy, known, ceiling):
        service = serve_on_table(policy, known, budget * len(known.questions))
        low, _ = bounds_of(service.scores, known.clusters)
        step = TargetStep(budget=budget, score=float(service.scores.mean()), low=low, cost=float(service.costs.mean()))
        steps.append(step)
        if low >= target and (found is not None or len(steps) == 1):
            found = step
        elif found is not None:
            break
    best = max(steps, key=lambda step: (step.score, -step.budget))
    return TargetReport(
        target=target,
        policy=policy.name,
        ceiling=ceiling,
        unit=validation.unit,
        reached=found is not None,
        budget=None if found is None else found.budget,
        best_score=best.score,
        best_budget=best.budget,
        steps=tuple(steps),
    )


def confirmation(target: float, scores: Floats, costs: Floats, clusters: Sequence[str] | None = None) -> TargetTest:
    """Whether further questions bear out that a target is reached.

    Args:
        target: in (0, 1].
        scores: (questions,): at the budget that was found; at least one.
        costs: (questions,).
        clusters: see `bounds_of`.
    """
    low, high = bounds_of(scores, clusters)
    verdict: Literal["confirmed", "refuted", "undecided"] = "undecided"
    if low >= target:
        verdict = "confirmed"
    elif high < target:
        verdict = "refuted"
    return TargetTest(
        questions=len(scores),
        score=float(scores.mean()),
        low=low,
        high=high,
        cost=float(costs.mean()),
        verdict=verdict,
    )


def _budgets(policy: ArmPolicy, table: Table, ceiling: float) -> list[float]:
    """From the ceiling down to what the cheapest arms cost, in equal ratios."""
    floor = max(float(policy.assign(table.batch(), 0.0).expected.mean()), _LEAST * ceiling)
    if floor >= ceiling:
        return [ceiling]
    return [ceiling, *np.geomspace(ceiling, floor, _STEPS)[1:].tolist()]
