"""RouteLLM's recorded MMLU and GSM8K: which questions go to the strong model, for every share of calls to it.

The area between a router's curve and the weak model's score, over the gap between the two models (APGR), is 0.5 for
drawing at random. The curve of a policy is what it really does for 21 budgets, from no strong call to one for each
question; where it leaves budget unspent, the rest is filled up at random, as APGR has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from apportion.optimizers.arrays import Bools, Floats
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.learned import Learned
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.tables.table import Question, Table
from benchmarks.recorded_halves import Evidence, Finding, Measure, halves, lesson_of
from benchmarks.recorded_report import Goal, Section, interval
from benchmarks.recorded_rivals import GapRidge, family_gaps

__all__ = ["reach", "routellm", "sent_first", "without_families"]

_SHARES = np.linspace(0, 1, 21)
_MARGIN = -0.01
_RIDGE, _FAMILY, _JOINT = "ridge on the gap over TF-IDF", "gap of the subject, shrunk", "Joint"


def without_families(table: Table) -> Table:
    """The same questions with nothing known but their texts."""
    questions = tuple(Question(question.name, question.text) for question in table.questions)
    return replace(table, questions=questions)


def routellm(title: str, table: Table, reference: float, number_of_halves: int, tick: Callable[[str], None]) -> Section:
    """Runs all halves.

    Args:
        title: of the section.
        table: the weak arm, then the strong one.
        reference: the APGR of the ridge regression that was given to beat.
        number_of_halves: how many.
        tick: is told of each.
    """
    ridge = GapRidge(table.questions)
    gaps = table.mean_scores[:, 1] - table.mean_scores[:, 0]
    families = len({question.family for question in table.questions}) > 1
    names = [_JOINT, _RIDGE, *([_FAMILY] if families else [])]
    parts = []
    for seed, (learned, tested) in enumerate(halves(len(table.questions), number_of_halves)):
        half, others = table.take(learned), table.take(tested)
        (policy,) = fit_all(["joint_up_front"], lesson_of(half, 0.5, seed)).values()
        sent = [_policy_reach(policy, others), reach(sent_first(ridge.strengths(gaps, learned, tested)))]
        if families:
            sent.append(reach(sent_first(family_gaps(half, others))))
        columns = [gaps[tested], *(each * gaps[tested] for each in sent)]
        parts.append((tested, np.column_stack(columns)))
        tick(f"{title}, half {seed + 1} of {number_of_halves}")
    return _section(title, Evidence(len(table.questions), parts), names, reference)


def _policy_reach(policy: ArmPolicy, tested: Table) -> Floats:
    assert isinstance(policy, Learned)
    batch = policy.predictor.prepared(tested.batch())
    return reach([policy.assign(batch, share * len(batch)).arms == 1 for share in _SHARES])


def sent_first(strengths: Floats) -> list[Bools]:
    """For each share, which questions are among those of the highest strength."""
    place = np.empty(len(strengths), np.intp)
    place[np.argsort(-strengths, kind="stable")] = np.arange(len(strengths))
    return [place < round(share * len(strengths)) for share in _SHARES]


def reach(sent: list[Bools]) -> Floats:
    """(questions,): over what part of all shares the question goes to the strong arm.

    The curve is straight between its points, so a question that is sent at one end of a piece counts half of it. Gap
    times reach, over all questions, is then the area under the curve.
    """
    corners = [np.zeros(len(sent[0]), bool), *sent, np.ones(len(sent[0]), bool)]
    corners = sorted(corners, key=lambda corner: int(corner.sum()))
    reach = np.zeros(len(sent[0]))
    for left, right in pairwise(corners):
        reach += (right.mean() - left.mean()) * (left.astype(np.float64) + right) / 2
    return reach


def _section(title: str, evidence: Evidence, names: list[str], reference: float) -> Section:
    def apgr(at: int) -> Measure:
        return lambda means: means[..., 1 + at] / means[..., 0]

    def ahead(at: int) -> Measure:
        return lambda means: (means[..., 1] - means[..., 1 + at]) / means[..., 0]

    rows = []
    for at, name in enumerate(names):
        difference: Finding | None = evidence.find(ahead(at)) if at else None
        rows.append(
            (
                name,
                f"{evidence.find(apgr(at)).over_halves.mean:.3f}",
                interval(difference.over_halves) if difference else "",
                interval(difference.over_questions) if difference else "",
            )
        )
    found = evidence.find(ahead(1))
    goal = Goal(
        f"{title}: Joint not below ridge in APGR",
        f"the lower end at least {_MARGIN:g}",
        f"{interval(found.over_halves)} over halves, {interval(found.over_questions)} over questions too",
        found.over_halves.low >= _MARGIN,
    )
    notes = (f"{evidence.count:,} questions; the reference regression has {reference:.3f}",)
    header = ("router", "APGR", "Joint - it, over halves", "over questions too")
    return Section(title, notes, header, tuple(rows), (goal,))
