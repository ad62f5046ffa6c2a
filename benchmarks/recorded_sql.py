"""`intercode_sql`: models and numbers of rounds chosen jointly, or one after the other, or only one of the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.frontier import hull
from apportion.optimizers.policies.learned import Learned
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.tables.split import best_arm
from apportion.optimizers.tables.table import Table
from benchmarks.proof.paths import PathChoice, choice_of
from benchmarks.recorded_halves import Evidence, Measure, halves, lesson_of
from benchmarks.recorded_rehearsal import ladder
from benchmarks.recorded_report import Section, interval
from benchmarks.recorded_tables import Recorded

__all__ = ["caps_of", "matched", "sql"]

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
    batch = joint.predictor.prepared(tested.batch())
    budgets = np.unique([*ladder(learned), *caps.values()])
    tried = {name: [choice_of(policy, tested, batch, float(b)) for b in budgets] for name, policy in policies.items()}
    found: dict[str, list[Floats]] = {}
    for cap, budget in caps.items():
        at = int(np.searchsorted(budgets, budget))
        cost = float(tried["joint"][at].costs.mean())
        found[cap] = []
        for name, choices in tried.items():
            own = choices[at]
            found[cap] += [own.scores, own.costs, own.scores if name == "joint" else matched(choices, cost)]
    return found


def matched(choices: Sequence[PathChoice], cost: float) -> Floats:
    """(questions,): what the best mixture of two choices scores that costs so much.

    The mixture hull is drawn on the very questions that are tested on, which favours whoever is given it: a rival.
    Above the hull's right end the end itself is taken, and below its left end that one.
    """
    costs = np.array([choice.costs.mean() for choice in choices])
    scores = np.array([choice.scores.mean() for choice in choices])
    corners = hull(costs, scores)
    right = int(np.searchsorted(costs[corners], cost))
    if right in (0, len(corners)):
        end: Floats = choices[corners[min(right, len(corners) - 1)]].scores
        return end
    low, high = corners[right - 1], corners[right]
    share = (cost - costs[low]) / (costs[high] - costs[low])
    return np.asarray((1 - share) * choices[low].scores + share * choices[high].scores)


def _section(recorded: Recorded, unit: str, cap: str, evidence: Evidence) -> Section:
    names = list(_POLICIES)
    joint = names.index("joint") * _COLUMNS
    rows = []
    for at, name in enumerate(names):
        score, cost, mixed = (at * _COLUMNS + offset for offset in range(_COLUMNS))
        own, spent = evidence.find(_column(score)), evidence.find(_column(cost))
        ahead, plain = (evidence.find(_difference(joint, column)) for column in (mixed, score))
        rows.append(
            (
                name,
                f"{own.over_questions.mean:.3f}",
                f"{spent.over_questions.mean:.3g}",
                "" if score == joint else interval(plain.over_questions, 1, scale=100),
                "" if score == joint else interval(ahead.over_questions, 1, scale=100),
                "" if score == joint else interval(ahead.over_halves, 1, scale=100),
            )
        )
    table = recorded.tables[unit]
    left = f"; no list price, so not in this pool: {', '.join(recorded.unpriced)}" if unit == "mUSD" else ""
    notes = (
        f"{len(table.questions):,} questions, {len(table.arms)} arms, {recorded.dropped} questions dropped, "
        f"{len(evidence.parts)} halves{left}",
        "a run stops on the environment's reward; rounds are counted from 0 in the records",
        "at joint's cost: against the best mixture of two budgets of the rival, chosen on the test half itself",
    )
    header = ("policy", "score", unit, "joint - it, points", "at joint's cost", "over halves alone")
    return Section(f"intercode_sql, {cap} cap, cost in {unit}", notes, header, tuple(rows), ())


def _column(at: int) -> Measure:
    return lambda means: means[..., at]


def _difference(first: int, second: int) -> Measure:
    return lambda means: means[..., first] - means[..., second]
