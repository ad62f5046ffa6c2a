"""What a study found of a single plan, and of a single policy."""

from __future__ import annotations

from typing import Any

from ..bootstrap import Interval
from ..finding import Finding
from ..tables.value import Shares

__all__ = ["PlanReport", "PolicyScore", "Score"]


class Score(Finding):
    """A plan on one part of the dev set."""

    tasks: int
    score: float
    """Mean over the tasks; a failure scores 0."""
    low: float
    """Lower end of the 95 % bootstrap interval of the mean."""
    high: float
    coverage: float
    """The share of tasks with an answer to grade."""
    cost: float
    """Charged per task, in the unit of the cap."""
    cost_high: float
    """What the mean of charged and lost together stays below in 95 % of the bootstrap draws."""
    lost: float
    """Lost per task, in the unit of the cap."""
    usd: float | None = None
    """Charged per task, in dollars; None where no model of the pool has a price."""
    unscored: int = 0
    """Answers that a judge gave no verdict on. They count as 0, so `score` may be too low by their share at most."""


class PlanReport(Finding):
    """A plan of the frontier."""

    plan_hash: str
    plan: dict[str, Any]
    """The plan as JSON values."""
    affordable: bool
    """Whether `cost_high` on validation is within what the cap leaves for a task."""
    validation: Score
    test: Score | None
    """As a batch under the hard cap; None for plans that are not affordable or could not be paid any more."""
    tokens: float | None = None
    """Charged per task on validation, in tokens as they are counted; None in reports of before it was kept."""
    usd: float | None = None
    """The same in dollars, 0 for models without a price."""


class PolicyScore(Finding):
    """A policy on the validation part, served by the governor on what was tabulated."""

    policy: str
    score: float
    """The mean; where wrong answers cost something the mean value, see `valued`."""
    low: float
    """Lower end of the 95 % bootstrap interval of the mean."""
    high: float
    cost: float
    """Charged per task, probes included, in the unit of the cap."""
    unanswered: float
    """The share of tasks that it left without an arm."""
    behind: Interval
    """The best policy's score less its own."""
    gain: Interval
    """Its score less that of the best mixture of single plans at the same cost, chosen in hindsight."""
    usd: float | None = None
    """Charged per task, in dollars, without probes; None where no model of the pool has a price, or `cost` is that."""
    shares: Shares | None = None
    """What became of the tasks: right, wrong, abstained, unanswered; None in reports of older versions."""
