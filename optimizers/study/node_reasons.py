"""What each node got under a policy, and which limit kept it from getting something else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graphs.resolved import resolve
from ...graphs.space import Space
from ..arrays import Ints
from ..serving.answer import Menu
from ..tables.table import UNANSWERED, Arm
from .report import LimitedBy, NodeReport, NodeUse

__all__ = ["explain"]


def explain(
    space: Space,
    arms: Sequence[Arm],
    families: Sequence[str],
    *,
    served: Ints,
    planned: Ints,
    unlimited: Ints,
    others: Sequence[Arm] = (),
) -> tuple[NodeReport, ...]:
    """Tells for every node of a graph what it got, on all questions and by family, and what bound it.

    A node that got something else than was planned for it was bound by the cap. One that would have got something else
    without a limit was bound by the price. The others were bound by what the models can do: whatever they cost, no arm
    that the search kept would have served better.

    Args:
        space: of the graph that the arms' plans belong to.
        arms: of the policy. Of a cascade its first stage is told.
        families: (questions,): the family of each.
        served: (questions,): the arm that answered, or `UNANSWERED`.
        planned: (questions,): the arm that the policy had chosen within the budget.
        unlimited: (questions,): the arm that it would choose without a limit.
        others: arms that only the stages of cascades name.

    Returns:
        The nodes in the order of the graph, those that no arm uses left out; families in the order of their names.
    """
    menu = Menu(arms, others)
    looks = [_looks(space, menu, arm) for arm in range(len(arms))]
    groups = {"": np.arange(len(families))}
    if len(set(families)) > 1:
        for family in sorted(set(families)):
            groups[family] = np.array([i for i, each in enumerate(families) if each == family], np.intp)
    reports = []
    for node, config in space.graph.nodes.items():
        if not any(node in look for look in looks):
            continue
        at = [look.get(node) for look in looks]
        uses = [
            _use(family, at, served[members], planned[members], unlimited[members])
            for family, members in groups.items()
        ]
        reports.append(NodeReport(node=node, kind=config.kind, everywhere=uses[0], families=tuple(uses[1:])))
    return tuple(reports)


@dataclass(frozen=True, slots=True)
class _Look:
    """A node under a plan."""

    models: tuple[str, ...]
    """Of its calls; none where it makes none."""
    knobs: tuple[tuple[str, str], ...]
    edges: tuple[str, ...]
    """Optional ones into the node."""


def _looks(space: Space, menu: Menu, arm: int) -> dict[str, _Look]:
    """Every node that runs under an arm."""
    plan = menu.plans(arm)[0]
    resolved = resolve(space, plan)
    looks = {}
    for name, step in resolved.steps.items():
        untold = step.node.idle_with(space.pool.card) | step.node.model_knobs()
        knobs = tuple(
            (knob, _text(value)) for knob, value in resolved.plan.settings(name).items() if knob not in untold
        )
        edges = tuple(edge for edge in resolved.active.optional if edge.rpartition("->")[2] == name)
        looks[name] = _Look(step.models, knobs, edges)
    return looks


def _use(family: str, at: Sequence[_Look | None], served: Ints, planned: Ints, unlimited: Ints) -> NodeUse:
    got = [None if arm == UNANSWERED else at[arm] for arm in served]
    here = [look for look in got if look is not None]
    knobs: dict[str, list[str]] = {}
    for look in here:
        for knob, value in look.knobs:
            knobs.setdefault(knob, []).append(value)
    return NodeUse(
        family=family,
        tasks=len(got),
        active=len(here) / len(got),
        models=_shares((model for look in here for model in look.models), len(got)),
        knobs={knob: _shares(values, len(values)) for knob, values in knobs.items()},
        edges=_shares((edge for look in here for edge in look.edges), len(got)),
        bound=_bound(at, got, planned, unlimited),
    )


def _bound(at: Sequence[_Look | None], got: Sequence[_Look | None], planned: Ints, unlimited: Ints) -> LimitedBy:
    count: Counter[str] = Counter()
    for look, plan, free in zip(got, planned.tolist(), unlimited.tolist(), strict=True):
        if look != (None if plan == UNANSWERED else at[plan]):
            count["cap"] += 1
        elif look != (None if free == UNANSWERED else at[free]):
            count["price"] += 1
        else:
            count["capability"] += 1
    return LimitedBy(**{name: count[name] / len(got) for name in LimitedBy.model_fields})


def _shares(values: Iterable[str], of: int) -> dict[str, float]:
    """How often each value is there, the most frequent first."""
    return {value: count / of for value, count in sorted(Counter(values).items(), key=lambda each: (-each[1], each[0]))}


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and {"low", "high"} == set(value):
        return f"{value['low']}-{value['high']}"
    return value if isinstance(value, str) else json.dumps(value)
