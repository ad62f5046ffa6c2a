"""The frontier of a study as rows, and as a table of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from .plan_report import PlanReport

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["frame_of", "rows_of"]


def frame_of(plans: Sequence[PlanReport], chosen: str | None) -> DataFrame:
    """See `StudyReport.to_frame`."""
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise UsageError(
            "to_frame needs pandas: pip install 'apportion[frames]'; or read report.frontier, or report.model_dump()"
        ) from None
    return pd.DataFrame(rows_of(plans, chosen))


def rows_of(plans: Sequence[PlanReport], chosen: str | None) -> list[dict[str, Any]]:
    """A row for each plan, all with the same keys in the same order."""
    knobs = dict.fromkeys(name for plan in plans for name in plan.plan["values"])
    return [_row(plan, chosen, list(knobs)) for plan in plans]


def _row(plan: PlanReport, chosen: str | None, knobs: list[str]) -> dict[str, Any]:
    found, test = plan.validation, plan.test
    return {
        "plan": plan.plan_hash,
        "chosen": plan.plan_hash == chosen,
        "fits": plan.affordable,
        **{name: plan.plan["values"].get(name) for name in knobs},
        "edges": ", ".join(plan.plan["edges"]),
        "score": found.score,
        "low": found.low,
        "high": found.high,
        "answered": found.coverage,
        "cost": found.cost,
        "tokens": plan.tokens,
        "usd": plan.usd,
        "test_score": None if test is None else test.score,
        "test_low": None if test is None else test.low,
        "test_high": None if test is None else test.high,
        "test_cost": None if test is None else test.cost,
    }
