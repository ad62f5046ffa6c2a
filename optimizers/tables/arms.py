"""From a plan to an arm: which models it calls where, and everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...graphs.channels import speakers_of
from ...graphs.plan import Plan
from ...graphs.resolved import Step, resolve
from ...graphs.space import Space
from ...nodes.base import Incoming, Speakers
from ...nodes.prompts.base import Ask
from .table import Arm

__all__ = ["arm_of", "plan_of"]

_ASK = Ask("?")
"""Which models a node calls does not depend on what it is asked."""


def arm_of(plan: Plan, space: Space) -> Arm:
    """The plan as a policy sees it.

    `models` names the model of every active node that makes calls under this plan, pinned ones included; a verifier
    that only counts votes has none. `setting` holds the other knobs, the edges that are on and the kinds of the active
    nodes, so that plans which differ in models only have the same setting.

    Raises:
        PlanError, UnknownName: the plan does not belong to the space's graph.
    """
    resolved = resolve(space, plan)
    speakers = speakers_of(space.pool)
    models = sorted({(name, model) for name, step in resolved.steps.items() for model in _called(step, speakers)})
    names = set(space.pool.names)
    values = {
        knob: value
        for knob, value in resolved.plan.values.items()
        if not names.issuperset(option if isinstance(option, str) else "" for option in space.knobs[knob])
    }
    kinds = {name: step.node.kind for name, step in resolved.steps.items()}
    setting = json.dumps(
        {"values": values, "edges": resolved.plan.edges, "kinds": kinds},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return Arm(resolved.plan.hash, tuple(models), setting, resolved.plan.to_json())


def plan_of(arm: Arm) -> Plan:
    """The plan that an arm runs.

    Raises:
        PlanError: the arm comes from a log and has no plan, or is a cascade of several.
    """
    return Plan.from_json(arm.plan)


def _called(step: Step, speakers: Speakers) -> Iterator[str]:
    for call in step.kind.worst_case(step.node, _ASK, Incoming(()), speakers):
        yield call.model
