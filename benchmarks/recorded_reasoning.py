"""`reasoning_gym_easy`: at what cost a policy reaches the score of the best single model.

Every policy has a dial, and is dialled on the half that it learned from: to the lowest spend from which on it reaches
there what the best single model scores. Then the other half is answered with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.policies.stratified import prepared
from apportion.optimizers.tables.cascades import outcomes_of
from apportion.optimizers.tables.table import UNANSWERED, Arm, Table
from benchmarks.recorded_halves import Evidence, Measure, halves, lesson_of
from benchmarks.recorded_rehearsal import crossed_scores, ladder
from benchmarks.recorded_report import Goal, Section, interval
from benchmarks.recorded_rivals import FamilyMeans, family_scores
from benchmarks.recorded_tables import Recorded

__all__ = ["dial", "reasoning"]


_SINGLE, _RIVAL = "best single model", "best arm of each family, shrunk"
_OURS: Mapping[str, str] = {"one cascade": "cascade", "joint": "joint", "joint_safe": "joint_safe"}
_ROWS = (_SINGLE, _RIVAL, *_OURS)
_PRICES = np.geomspace(3, 1e-5, 50)
"""In score per thousandth of a USD; the rival's dial."""
_COLUMNS = 3
"""For each row: score, cost, tokens."""
_MARGIN = -0.01


def reasoning(recorded: Recorded, number_of_halves: int, tick: Callable[[str], None]) -> Section:
    """Runs all halves, in list prices."""
    table = recorded.tables["mUSD"]
    parts = []
    for seed, (learned, tested) in enumerate(halves(len(table.questions), number_of_halves)):
        others = table.take(tested), recorded.tables["tokens"].take(tested)
        parts.append((tested, np.concatenate(_served(table.take(learned), others, seed), axis=1)))
        tick(f"reasoning_gym_easy, half {seed + 1} of {number_of_halves}")
    return _section(Evidence(len(table.questions), parts), recorded)


def dial(positions: Floats, scores: Floats, wanted: float) -> float:
    """The first position from which on all scores are as high as wanted, between two positions in equal ratios.

    Args:
        positions: in the order of rising spend; above 0.
        scores: at these.
        wanted: where no score at the end of the dial is as high, the position with the highest score is taken.
    """
    at = len(scores)
    while at and scores[at - 1] >= wanted:
        at -= 1
    if at == len(scores):
        return float(positions[np.argmax(scores)])
    if at == 0:
        return float(positions[0])
    share = (wanted - scores[at - 1]) / (scores[at] - scores[at - 1])
    return float(positions[at - 1] ** (1 - share) * positions[at] ** share)


def _served(learned: Table, tested: tuple[Table, Table], seed: int) -> list[Floats]:
    """For each of `_ROWS`, (tested, columns): what it scores, costs in either currency of the tables."""
    single = _best_single(learned)
    means, others = FamilyMeans.of(learned), tested[0]
    price = dial(_PRICES, family_scores(learned, _PRICES), float(learned.mean_scores[:, single].mean()))
    arms = [(others.arms, np.full(len(others.questions), single)), (others.arms, means.choose(others, price))]
    wanted, budget = (float(each[:, single].mean()) for each in (learned.mean_scores, learned.mean_costs))
    budgets = ladder(learned)
    rehearsed = crossed_scores(_OURS.values(), learned, budgets, budget / 2, seed)
    for name, policy in fit_all(_OURS.values(), lesson_of(learned, budget / 2, seed)).items():
        batch = prepared(policy, others.batch())
        spend = dial(budgets, rehearsed[name], wanted) * len(batch)
        arms.append((policy.arms, policy.assign(batch, spend).arms))
    return [_reached(known, chosen, tested) for known, chosen in arms]


def _reached(arms: Sequence[Arm], chosen: Ints, tested: tuple[Table, Table]) -> Floats:
    """(tested, columns): of the arm chosen for each question; nothing where it is left out."""
    (scores, costs), (_, tokens) = (outcomes_of(arms, table) for table in tested)
    picked = [each.mean(axis=2)[np.arange(len(chosen)), chosen] for each in (scores, costs, tokens)]
    return np.where(chosen == UNANSWERED, 0.0, picked).T


def _best_single(table: Table) -> int:
    """The arm with the best mean score of those that are asked once."""
    once = [number for number, arm in enumerate(table.arms) if arm.setting == '{"samples":1}']
    return max(once, key=lambda number: float(table.mean_scores[:, number].mean()))


def _section(evidence: Evidence, recorded: Recorded) -> Section:
    rows, goals = [], []
    for at, name in enumerate(_ROWS):
        score, cost, tokens = (evidence.find(_mean(at, offset)).over_halves.mean for offset in range(_COLUMNS))
        of_single = evidence.find(_ratio(at, 0)).over_questions
        behind = evidence.find(_difference(at, 0)).over_questions
        row = [name, f"{score:.3f}", f"{cost:.2f}", f"{tokens:,.0f}", interval(of_single, 0, signed=False, scale=100)]
        row.append(interval(behind, 1, scale=100) if at else "")
        if name in _OURS:
            saved = evidence.find(_saving(at, _ROWS.index(_RIVAL)))
            ahead = evidence.find(_difference(at, _ROWS.index(_RIVAL)))
            row += [interval(saved.over_questions, 0, scale=100), interval(ahead.over_questions, 1, scale=100)]
            goals += [
                Goal(
                    f"reasoning_gym_easy: {name} cheaper than the best arm of each family",
                    "the lower end above 0",
                    f"{interval(saved.over_questions, 1, scale=100)} % less",
                    saved.over_questions.low > 0,
                ),
                Goal(
                    f"reasoning_gym_easy: {name} not below it in score",
                    f"the lower end at least {100 * _MARGIN:g} point",
                    f"{interval(ahead.over_questions, 2, scale=100)} points",
                    ahead.over_questions.low >= _MARGIN,
                ),
            ]
        rows.append(tuple(row + [""] * (8 - len(row))))
    table = recorded.tables["mUSD"]
    notes = (
        f"{len(table.questions):,} questions of {len({q.family for q in table.questions})} families, "
        f"{len(table.arms)} arms; {recorded.dropped} questions dropped, on which some arm was not recorded",
        "intervals over questions and halves; all are dialled to the score of the best single model on their half",
    )
    header = (
        "policy",
        "score",
        "mUSD",
        "tokens",
        "% of its cost",
        "points to it",
        "% less than rival",
        "points to rival",
    )
    return Section("reasoning_gym_easy, list prices", notes, header, tuple(rows), tuple(goals))


def _mean(at: int, offset: int) -> Measure:
    return lambda means: means[..., at * _COLUMNS + offset]


def _ratio(at: int, other: int) -> Measure:
    return lambda means: means[..., at * _COLUMNS + 1] / means[..., other * _COLUMNS + 1]


def _saving(at: int, other: int) -> Measure:
    return lambda means: 1 - _ratio(at, other)(means)


def _difference(at: int, other: int) -> Measure:
    return lambda means: means[..., at * _COLUMNS] - means[..., other * _COLUMNS]
