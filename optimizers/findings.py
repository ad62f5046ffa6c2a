"""What a study found."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from ..budgets.cap import Cap

__all__ = ["PlanReport", "Score", "StudyReport"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(_Frozen):
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


class PlanReport(_Frozen):
    """A plan of the frontier."""

    plan_hash: str
    plan: dict[str, Any]
    """The plan as JSON values."""
    affordable: bool
    """Whether `cost_high` on validation is within what the cap leaves for a task."""
    validation: Score
    test: Score | None
    """As a batch under the hard cap; None for plans that are not affordable or could not be paid any more."""


class StudyReport(_Frozen):
    """What a study measured, found and paid."""

    study_id: str
    graph_hash: str
    cap: Cap
    tasks: dict[str, int]
    """How many tasks each part has."""
    plans_in_space: int
    plans_measured: int
    runs: int
    """Task runs, read back ones included."""
    spend: float
    """What the study was allowed to pay, in the unit of the cap."""
    paid: float
    lost: float
    stopped_early: bool
    """True where the spend ran out before the search was over."""
    frontier: tuple[PlanReport, ...]
    """Plans that no other beats on validation without costing more, cheapest first."""
    chosen: str | None
    """The hash of the affordable plan with the best score on validation; None where no plan is affordable."""
    test_reads: int
    """How often plans were scored on the test part, over all starts of this study."""
    location: str
    """Where the books are."""
    seconds: float

    @property
    def best(self) -> PlanReport | None:
        """The chosen plan."""
        return next((p for p in self.frontier if p.plan_hash == self.chosen), None)
