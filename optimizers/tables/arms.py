"""From a plan to an arm: which models it calls where, and everything else."""

from __future__ import annotations

import json

from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.resolved import resolve
from ...graphs.space import Space
from .table import Arm

__all__ = ["arm_of", "plan_of"]


def arm_of(plan: Plan, space: Space) -> Arm:
    """The plan as a policy sees it.

    `models` names the model of every active node that makes calls under this plan, pinned ones included; a verifier
    that only counts votes has none. `setting` holds the other knobs, the edges that are on and the kinds of the active
    nodes, so that plans which differ in models only have the same setting.

    Raises:
        PlanError, UnknownName: the plan does not belong to the space's graph.
    """
    resolved = resolve(space, plan)
    models = sorted((name, model) for name, step in resolved.steps.items() for model in step.models)
    routed = {str(KnobName(name, knob)) for name, step in resolved.steps.items() for knob in step.node.model_knobs()}
    values = {knob: value for knob, value in resolved.plan.values.items() if knob not in routed}
    kinds = {name: step.node.kind for name, step in resolved.steps.items()}
    setting = json.dumps(
        {"values": values, "edges": resolved.plan.edges, "kinds": kinds},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    verified = any(step.kind.verified for step in resolved.steps.values())
    return Arm(resolved.plan.hash, tuple(models), setting, resolved.plan.to_json(), verified=verified)


def plan_of(arm: Arm) -> Plan:
    """The plan that an arm runs.

    Raises:
        PlanError: the arm comes from a log and has no plan, or is a cascade of several.
    """
    return Plan.from_json(arm.plan)
