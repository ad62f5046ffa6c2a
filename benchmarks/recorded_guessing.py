"""`thinking_levels` with a price on guessing: a right answer brings 1, a wrong one costs 1, none brings nothing.

Policies learn on one half and answer the other, families told; each is read along its own dial at the cost that is
asked for, or at the end of the dial where it cannot spend as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from apportion.optimizers.arrays import Floats
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.cascade_search import find_cascades
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.policies.stratified import prepared
from apportion.optimizers.tables.cascades import replay
from apportion.optimizers.tables.table import UNANSWERED, Lesson, Table
from apportion.optimizers.tables.value import valued
from benchmarks.recorded_halves import Evidence, Measure, halves, lesson_of
from benchmarks.recorded_report import Goal, Section, interval
from benchmarks.recorded_thinking import read_at

__all__ = ["guessing"]

PRICE = 1.0
CAPS = (0.3, 0.74, 1.5, 2.2, 3.0)
"""In thousandths of a USD a question."""
_LESSON = 1.5
_POLICIES: Mapping[str, str] = {
    "best model-level": "static",
    "mixture": "static_mix",
    "joint up front": "joint_up_front",
    "one cascade": "cascade",
    "one cascade per family": "cascade_by_family",
    "joint": "joint",
    "joint_safe": "joint_safe",
}
_SELECTIVE = "one model-level, selective"
_WANTED = {0.74: 0.12, 2.2: 0.14}
_JUDGED = (_SELECTIVE, "one cascade per family", "joint", "joint_safe")
_SIGNS = ("value", "right", "wrong", "abstained", "unanswered")
_RUNGS = 24


def guessing(table: Table, number_of_halves: int, tick: Callable[[str], None]) -> Section:
    """Runs all halves.

    Args:
        table: see `thinking_table`.
        number_of_halves: how many.
        tick: is told of each.
    """
    table = valued(table, PRICE)
    parts = []
    for seed, (learned, tested) in enumerate(halves(len(table.questions), number_of_halves)):
        lesson = lesson_of(table.take(learned), _LESSON, seed)
        policies, others = fit_all(_POLICIES.values(), lesson), table.take(tested)
        budgets = np.unique([*np.geomspace(0.5 * CAPS[0], 4 * CAPS[-1], _RUNGS), *CAPS])
        columns = _selective(lesson, others)
        for name in _POLICIES.values():
            dialled = _dialled(policies[name], others, budgets)
            columns += [read_at(dialled, cap)[:, :-1] for cap in CAPS]
        parts.append((tested, np.concatenate(columns, axis=1)))
        tick(f"thinking_levels, wrong answers priced at {PRICE:g}, half {seed + 1} of {number_of_halves}")
    return _section(Evidence(len(table.questions), parts), len(table.questions))


def _selective(lesson: Lesson, others: Table) -> list[Floats]:
    """The best model-level that withholds what it is not sure of, within each cap where it was learned."""
    searched = lesson.searched
    arms = find_cascades(searched, most=len(searched.arms), stages=1)
    before, after = replay(arms, searched), replay(arms, others)
    values, costs = (each.mean(axis=(0, 2)) for each in (before.scores, before.costs))
    found = []
    for cap in CAPS:
        within = np.flatnonzero(costs <= cap)
        best = int(within[np.argmax(values[within])]) if len(within) else int(np.argmin(costs))
        cells = (after.scores, after.right, after.answered, after.abstained)
        found.append(_told(*(each[:, best].mean(axis=1) for each in cells)))
    return found


def _told(value: Floats, right: Floats, answered: Floats, abstained: Floats) -> Floats:
    """(questions, signs)."""
    return np.column_stack([value, right, answered - right, abstained, 1 - answered - abstained])


def _dialled(policy: ArmPolicy, table: Table, budgets: Floats) -> Floats:
    """(budgets, questions, signs and the cost)."""
    found = replay(policy.arms, table)
    cells = [each.mean(axis=2) for each in (found.scores, found.right, found.answered, found.abstained, found.costs)]
    batch, everyone = prepared(policy, table.batch()), np.arange(len(table.questions))
    rungs = []
    for budget in budgets.tolist():
        arms = policy.assign(batch, budget * len(everyone)).arms
        value, right, answered, abstained, cost = (
            np.where(arms == UNANSWERED, 0.0, each[everyone, arms]) for each in cells
        )
        rungs.append(np.column_stack([_told(value, right, answered, abstained), cost]))
    return np.stack(rungs)


def _section(evidence: Evidence, questions: int) -> Section:
    names = [_SELECTIVE, *_POLICIES]

    def at(policy: str, cap: float, sign: str = "value") -> Measure:
        place = (names.index(policy) * len(CAPS) + CAPS.index(cap)) * len(_SIGNS) + _SIGNS.index(sign)
        return lambda means: means[..., place]

    rows = []
    for name in names:
        row = [name, *(f"{evidence.find(at(name, cap)).over_questions.mean:.3f}" for cap in CAPS)]
        for cap in _WANTED:
            row.append(" / ".join(f"{evidence.find(at(name, cap, s)).over_questions.mean:.3f}" for s in _SIGNS[1:]))
        rows.append(tuple(row))
    title = f"thinking_levels, wrong answers priced at {PRICE:g}, with the family"
    goals = []
    for name in _JUDGED:
        for cap, wanted in _WANTED.items():
            found = evidence.find(at(name, cap)).over_questions
            told = interval(found, signed=False)
            goals.append(Goal(f"{title}: {name} at {cap:g}", f"at least {wanted:.3f}", told, found.mean >= wanted))
    notes = (
        f"{questions:,} questions, {len(evidence.parts)} halves; share right less share wrong at equal cost, USD per "
        "1,000 questions; the first two rows may cost less",
    )
    shown = [f"at {cap:g}" for cap in CAPS] + [f"right/wrong/abst./unansw. at {cap:g}" for cap in _WANTED]
    return Section(title, notes, ("policy", *shown), tuple(rows), tuple(goals))
