"""What the tables of a report say of a plan and of a policy, cell by cell."""

from __future__ import annotations

import json
from typing import Any

from .plan_report import PlanReport, PolicyScore, Score

__all__ = ["OF_PLANS", "OF_POLICIES", "plan_cells", "policy_cells"]

OF_PLANS = ("plan", "knobs", "validation, 95 %", "cost", "test, 95 %", "cost", "answered", "fits")
OF_POLICIES = ("policy", "validation, 95 %", "cost", "right", "wrong", "abstained", "unanswered")


def plan_cells(plan: PlanReport, *, chosen: bool) -> tuple[str, ...]:
    """A plan of the frontier, under the titles `OF_PLANS`."""
    settings = [f"{name}={_shown(value)}" for name, value in plan.plan["values"].items()]
    edges = [f"{edge} on" for edge in plan.plan["edges"]]
    return (
        plan.plan_hash[:8] + (" (chosen)" if chosen else ""),
        ", ".join([*settings, *edges]),
        _score(plan.validation),
        _cost(plan.validation),
        _score(plan.test),
        _cost(plan.test),
        f"{100 * (plan.test or plan.validation).coverage:.0f} %",
        "yes" if plan.affordable else "no",
    )


def policy_cells(score: PolicyScore) -> tuple[str, ...]:
    """A policy, under the titles `OF_POLICIES`; the last four are empty where the shares are not known."""
    found = score.shares
    shares = ("",) * 4 if found is None else _percent(found.right, found.wrong, found.abstained, found.unanswered)
    return (score.policy, f"{score.score:.3f} ({score.low:.2f} to {score.high:.2f})", f"{score.cost:,.4g}", *shares)


def _percent(*shares: float) -> tuple[str, ...]:
    return tuple(f"{100 * share:.0f} %" for share in shares)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _score(score: Score | None) -> str:
    return "" if score is None else f"{score.score:.3f} ({score.low:.2f} to {score.high:.2f})"


def _cost(score: Score | None) -> str:
    return "" if score is None else f"{score.cost:,.4g}"
