"""The part of a study that looks for the smallest cap at which a score is reached, where one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...budgets.cap import Cap
from ...records.task import Task
from ...tasks.clusters import task_clusters
from ..analysis.target_score import TargetReport, confirmation, find_target
from ..serving.service import Service
from .policy_selection import Comparison
from .spec import StudySpec

__all__ = ["Aim", "aimed_at"]

_NOTHING = "no policies were compared, so that there is nothing to move along budgets; the notes say why"


@dataclass(frozen=True, slots=True)
class Aim:
    """Under which cap the test part is served, and with what budget the policy is deployed."""

    report: TargetReport | None
    """None where no score is asked for."""
    cap: Cap
    """The smallest that reaches the target; that of the study where none does."""

    @property
    def moved(self) -> bool:
        """Whether the cap is another than that of the study."""
        found = self.report
        return found is not None and found.budget is not None and found.budget < found.ceiling

    def deployed_at(self, comparison: Comparison) -> Comparison:
        """The comparison at the budget that was found."""
        budget = None if self.report is None else self.report.budget
        return comparison if budget is None else replace(comparison, budget=budget)

    def told(self, service: Service | None, tasks: Sequence[Task]) -> TargetReport | None:
        """The report, with what the test part says of it.

        Args:
            service: of the test part, where it was served.
            tasks: of the test part.
        """
        if service is None or self.report is None or not self.report.reached:
            return self.report
        test = confirmation(self.report.target, service.scores, service.costs, task_clusters(tasks).names)
        return self.report.model_copy(update={"test": test})


def aimed_at(spec: StudySpec, comparison: Comparison | None) -> Aim:
    """Looks for the smallest cap on validation, with the chosen policy, where a score is asked for.

    Args:
        spec: of the study; its cap is the most that may be spent.
        comparison: of the policies, where there is one.
    """
    if spec.target_score is None:
        return Aim(None, spec.cap)
    tasks = len(spec.tasks)
    ceiling = spec.cap.mean_per_task(tasks)
    if comparison is None:
        nothing = TargetReport(
            target=spec.target_score,
            policy="",
            ceiling=ceiling,
            unit=spec.cap.unit,
            reached=False,
            budget=None,
            best_score=None,
            best_budget=None,
            steps=(),
            why=_NOTHING,
        )
        return Aim(nothing, spec.cap)
    found = find_target(comparison.policy, comparison.validation, spec.target_score, ceiling)
    if found.budget is None:
        return Aim(found, spec.cap)
    total = found.budget * tasks
    cap = Cap(total=total, per_task=spec.cap.per_task, unit=spec.cap.unit)
    return Aim(found.model_copy(update={"cap": total}), cap)
