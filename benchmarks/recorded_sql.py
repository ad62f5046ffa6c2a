"""`intercode_sql`: models and numbers of rounds chosen jointly, or one after the other, or only one of the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from apportion.optimizers.lesson import best_arm
from apportion.optimizers.policies.base import Policy
from apportion.optimizers.policies.learned import Learned
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.proof.mixture import Sweep, executed
from apportion.optimizers.proof.paths import choice_of
from apportion.optimizers.table import Table

from .recorded_halves import Evidence, Measure, halves, lesson_of
from .recorded_rehearsal import Stage, ladder
from .recorded_report import Section, interval
from .recorded_tables import Recorded

__all__ = ["sql"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_POLICIES: Mapping[str, str] = {
    "uniform: one plan for all": "static",
    "mixture of static plans": "static_mix",
    "route only": "route_only",
    "allocate only": "allocate_only",
    "route, then allocate": "route_then_allocate",
    "joint": "joint",
    "JointSafe": "joint_safe",
}
_CAPS = {"tight": 0.25, "middle": 0.5, "loose": 0.9}
"""Where each cap lies between the mean cost of the cheapest arm and that of the best, in equal ratios."""
_COLUMNS = 3
"""For each policy: score, cost, and the score of its mixture hull at the joint policy's cost."""


def sql(recorded: Recorded, unit: str, number_of_halves: int, tick: Callable[[str], None]) -> list[Section]:
    """Runs all halves in one currency; a section for each cap."""
    table = recorded.tables[unit]
    parts: dict[str, list[tuple[Ints, Floats]]] = {cap: [] for cap in _CAPS}
    for seed, (learned, tested) in enumerate(halves(len(table.questions), number_of_halves)):
        for cap, columns in _half(table.take(learned), table.take(tested), seed).items():
            parts[cap].append((tested, np.column_stack(columns)))
        tick(f"intercode_sql in {unit}, half {seed + 1} of {number_of_halves}")
    evidence = [(cap, Evidence(len(table.questions), found)) for cap, found in parts.items()]
    return [_section(recorded, unit, cap, found) for cap, found in evidence]


def caps_of(table: Table) -> dict[str, float]:
    """What a question may cost on average, by cap."""
    costs = table.mean_costs.mean(axis=0)
    least, most = float(costs.min()), float(costs[best_arm(table)])
    return {cap: least * (most / least) ** share for cap, share in _CAPS.items()}


def _half(learned: Table, tested: Table, seed: int) -> dict[str, list[Floats]]:
    caps = caps_of(learned)
    lesson = lesson_of(learned, caps["middle"], seed)
    policies = dict(zip(_POLICIES, fit_all(_POLICIES.values(), lesson).values(), strict=True))
    joint = policies["joint"]
    assert isinstance(joint, Learned)
    stage = Stage.of(lesson, joint.predictor)
    tested = replace(tested, known=joint.predictor.prepared(tested.batch()).known)
    sweeps = {name: stage.sweep(policy, ladder(learned)) for name, policy in policies.items()}
    found: dict[str, list[Floats]] = {}
    for cap, budget in caps.items():
        ours = choice_of(joint, tested, tested.batch(), budget)
        columns: list[Floats] = []
        for name, policy in policies.items():
            own = choice_of(policy, tested, tested.batch(), budget)
            columns += [own.scores, own.costs]
            columns.append(own.scores if policy is joint else _matched(policy, tested, sweeps[name], ours.costs, seed))
        found[cap] = columns
    return found


def _matched(policy: Policy, tested: Table, sweep: Sweep, costs: Floats, seed: int) -> Floats:
    """(tested,): what the policy scores at another's cost, moved along its hull by what is left of the difference."""
    mixture = sweep.at(float(costs.mean()))
    found = executed(policy, tested, tested.batch(), mixture, seed)
    return np.asarray(found.scores + mixture.slope * (costs.mean() - found.costs.mean()))


def _section(recorded: Recorded, unit: str, cap: str, evidence: Evidence) -> Section:
    names = list(_POLICIES)
    joint = names.index("joint") * _COLUMNS
    rows = []
    for at, name in enumerate(names):
        score, cost, matched = (at * _COLUMNS + offset for offset in range(_COLUMNS))
        own, spent = evidence.find(_column(score)), evidence.find(_column(cost))
        ahead = evidence.find(_difference(joint, matched))
        rows.append(
            (
                name,
                f"{own.over_questions.mean:.3f}",
                f"{spent.over_questions.mean:.3g}",
                "" if at * _COLUMNS == joint else interval(ahead.over_halves, 1, scale=100),
                "" if at * _COLUMNS == joint else interval(ahead.over_questions, 1, scale=100),
            )
        )
    table = recorded.tables[unit]
    left = f"; no list price, so not in this pool: {', '.join(recorded.unpriced)}" if unit == "mUSD" else ""
    notes = (
        f"{len(table.questions):,} questions, {len(table.arms)} arms, {recorded.dropped} questions dropped, "
        f"{len(evidence.parts)} halves{left}",
        "a run stops on the environment's reward; rounds are counted from 0 in the records",
    )
    header = ("policy", "score", unit, "joint - it, points, over halves", "over questions too")
    return Section(f"intercode_sql, {cap} cap, cost in {unit}", notes, header, tuple(rows), ())


def _column(at: int) -> Measure:
    return lambda means: means[..., at]


def _difference(first: int, second: int) -> Measure:
    return lambda means: means[..., first] - means[..., second]
