"""What would be chosen if money decided, and not the unit of the cap."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..search.measurement import Measurement
from .plan_report import Score
from .report import ByMoney
from .spec import StudySpec

__all__ = ["by_money"]


def by_money(
    spec: StudySpec,
    chosen: Measurement | None,
    validated: Mapping[str, Measurement],
    score: Callable[[Measurement], Score],
    affordable: float,
) -> ByMoney | None:
    """The best of the plans that cost no more dollars than the chosen one, of equally good ones the cheapest.

    Args:
        spec: of the study.
        chosen: the plan that was chosen by the unit of the cap, on validation.
        validated: all plans on validation; those on fewer tasks than the chosen one are left aside.
        score: of a plan.
        affordable: what a task may cost on average, in the unit of the cap.

    Returns:
        None where no other plan is better, or as good for less; and where there are no prices, or the cap is in
        dollars, so that money did decide.
    """
    if chosen is None or not spec.pool.costs_money or spec.cap.unit == "usd":
        return None
    tasks = len(chosen.outcomes)
    rivals = [found for found in validated.values() if found.usd <= chosen.usd and len(found.outcomes) == tasks]
    best = max(rivals, key=lambda found: (found.score, -found.usd, -found.cost), default=chosen)
    if (best.score, best.usd) == (chosen.score, chosen.usd):
        return None
    told = score(best)
    return ByMoney(plan_hash=best.plan.hash, validation=told, affordable=told.cost_high <= affordable)
