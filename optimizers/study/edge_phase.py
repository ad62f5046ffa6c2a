"""The part of a study in which choices of optional edges are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...graphs.plan import Plan
from ...graphs.space import Space
from ..analysis.edge_ablation import EdgeReport, SamplingEffort, search_edges
from ..search.base import Proposal
from ..search.measurement import Measurement, frontier
from ..tables.knapsack import price_for
from .cost_forecast import CostForecast
from .spec import StudySpec
from .trials import TrialEvaluator

__all__ = ["compare_edges", "price_at"]

_TASKS = 200
"""On how many tasks choices are compared at most."""
_FEWEST = 24
_PLANS = 256
"""The most choices that are measured."""
_JUST_BELOW = 1e-9


async def compare_edges(
    spec: StudySpec,
    best: Plan,
    evaluator: TrialEvaluator,
    forecast: CostForecast,
    tasks: int,
    affordable: float,
    room: float,
) -> tuple[Plan, EdgeReport] | None:
    """Compares choices of optional edges at the knobs of the best plan, and measures the choice on all of fit.

    Parts that the best plan leaves out have the knobs with which the search saw them do best.

    Args:
        spec: of the study.
        best: the best plan of the search.
        evaluator: has measured the plans of the search on fit.
        forecast: of what plans may pay.
        tasks: how many fit has.
        affordable: what a task may cost on average.
        room: what may be paid.

    Returns:
        None where that is not enough for a comparison on a few tasks.

    Raises:
        SpendExhausted: the evaluator's account cannot pay for it after all.
    """
    measured = evaluator.measured("fit").values()
    ranked = sorted(measured, key=lambda found: (len(found.outcomes), found.score, found.plan.hash))
    values: dict[str, Any] = {knob: value for found in ranked for knob, value in found.plan.values.items()}
    values |= best.values
    compared = min(tasks, _TASKS, _tasks_within(room, values, spec.space, forecast))
    if compared < min(tasks, _FEWEST):
        return None
    plan, report = await search_edges(
        spec.space,
        lambda proposals: evaluator.measure(proposals, "fit"),
        tasks=compared,
        price=price_at(ranked, affordable),
        values=values,
        seed=spec.seed,
        effort=SamplingEffort(plans=_PLANS),
    )
    await evaluator.measure([Proposal(plan, tasks)], "fit")
    return plan, report


def price_at(measured: Sequence[Measurement], affordable: float) -> float:
    """What a unit of cost is worth where the cap is: the slope of the frontier's hull there, or of its last step.

    Args:
        measured: plans; those that were measured longest count.
        affordable: what a task may cost on average.
    """
    longest = max(len(m.outcomes) for m in measured)
    plans = frontier([m for m in measured if len(m.outcomes) == longest])
    scores, costs = np.array([[m.score for m in plans]]), np.array([[m.cost for m in plans]])
    # Searches keep few plans that cost more than the cap allows, so its place is often beyond the last one.
    inside = float(np.clip(affordable, costs.min(), costs.max() * (1 - _JUST_BELOW)))
    return price_for(scores, costs, max(inside, float(costs.min())))


def _tasks_within(room: float, values: Mapping[str, Any], space: Space, forecast: CostForecast) -> int:
    """On how many tasks every choice can be measured within the room, by forecast."""
    plans = [space.plan(values, active.optional) for active in space.arrangements[:_PLANS]]
    each = forecast.paid([Proposal(plan, 1) for plan in plans])
    return int(min(_TASKS, room / each)) if each else _TASKS
