"""`thinking_levels`: model and thinking level, chosen blindly, from the text alone, or after looking at an answer.

Policies learn on one half, cascades and all, and answer the other. Each is read along its own dial, at the cost that is
asked for, really paid on the half that is tested; a policy that cannot spend as much is read at the end of its dial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from apportion.errors import UsageError
from apportion.optimizers.arrays import Floats
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.policies.sequences import TableReader
from apportion.optimizers.policies.stratified import prepared
from apportion.optimizers.prediction.text_counts import with_texts_counted
from apportion.optimizers.tables.cascades import outcomes_of
from apportion.optimizers.tables.table import UNANSWERED, Arm, Question, Table, answer_numbers
from benchmarks.recorded_files import read_queries
from benchmarks.recorded_halves import Evidence, Measure, halves, lesson_of
from benchmarks.recorded_report import Goal, Section, interval

__all__ = ["read_at", "thinking", "thinking_table"]

CAPS = (0.3, 0.75, 1.5, 3.0)
"""In thousandths of a USD a question."""
_LESSON = 1.5
_POLICIES: Mapping[str, str] = {
    "mixture": "static_mix",
    "route only": "route_only",
    "allocate only": "allocate_only",
    "route, then allocate": "route_then_allocate",
    "joint up front": "joint_up_front",
    "one cascade": "cascade",
    "one cascade per family": "cascade_by_family",
    "joint": "joint",
    "sequential": "sequential",
    "joint_safe": "joint_safe",
}
_WANTED = {0.3: 0.280, 0.75: 0.335, 1.5: 0.400, 3.0: 0.416}
"""Of `joint_safe` with the family."""
_AHEAD = {1.5: 1.5, 3.0: 2.5}
"""Points of it over `joint_up_front`, the lower end of the interval."""
_BEHIND = -0.5
"""Points of `joint` and `sequential` under one cascade, at most."""
_SIGNS = ("right", "abstained", "unanswered", "cost")
_RUNGS = 24
_END = re.compile(r"(?:<[|｜][^<>]*[|｜]>|</s>)+\s*\Z")
_ANSWER = re.compile(r"(?i)answer:\**[ \t]*(.+)")


def thinking_table(folder: Path) -> Table:
    """Every model-level that was recorded on all questions, on the questions that all of them have.

    Costs are in thousandths of a USD. The answer is what stands behind the last "Answer:", else the last line.

    Raises:
        UsageError: a file or a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    queries, path = read_queries(folder), folder / "outcomes.parquet"
    names = ("query_id", "model", "level", "correct", "abstained", "completion_tokens", "thinking_tokens", "usd")
    try:
        rows = pq.read_table(path, columns=[*names, "answer_tail"]).to_pylist()
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: the outcomes cannot be read: {error}") from None
    cells: dict[str, dict[str, Mapping[str, object]]] = {}
    for row in rows:
        cells.setdefault(f"{row['model']}#{row['level']}", {})[row["query_id"]] = row
    most = max(len(found) for found in cells.values())
    # One question is missing of some; whole families of others.
    arms = sorted(arm for arm, found in cells.items() if len(found) >= 0.99 * most)
    kept = [name for name in queries if all(name in cells[arm] for arm in arms)]

    def column(name: str, scale: float = 1.0) -> Floats:
        found = [[cells[arm][question][name] for arm in arms] for question in kept]
        return scale * np.array(found, object).astype(np.float64)[:, :, None]  # None becomes not a number

    said = [[_answer(cells[arm][question]) for arm in arms] for question in kept]
    table = Table(
        tuple(Question(name, queries[name]["text"], queries[name]["family"]) for name in kept),
        tuple(Arm(arm, (("answer", arm.partition("#")[0]),), f'{{"level":"{arm.partition("#")[2]}"}}') for arm in arms),
        column("correct"),
        column("usd", 1000.0),
        "mUSD",
        answers=answer_numbers(said)[:, :, None],
        abstained=column("abstained"),
        thinking_tokens=column("thinking_tokens"),
        output_tokens=column("completion_tokens"),
    )
    return with_texts_counted(table)


def _answer(row: Mapping[str, object]) -> str | None:
    if row["abstained"] or not row["answer_tail"]:
        return None
    text = _END.sub("", str(row["answer_tail"]))
    marked = _ANSWER.findall(text)
    lines = [line for line in text.splitlines() if line.strip()]
    return str(marked[-1]) if marked else lines[-1] if lines else None


def thinking(table: Table, family: bool, number_of_halves: int, tick: Callable[[str], None]) -> Section:
    """Runs all halves.

    Args:
        table: see `thinking_table`.
        family: whether the family of a question is told.
        number_of_halves: how many.
        tick: is told of each.
    """
    told = "with the family" if family else "text only"
    if not family:
        table = replace(table, questions=tuple(replace(question, family="") for question in table.questions))
    parts = []
    for seed, (learned, tested) in enumerate(halves(len(table.questions), number_of_halves)):
        policies = fit_all(_POLICIES.values(), lesson_of(table.take(learned), _LESSON, seed))
        others = table.take(tested)
        budgets = np.unique([*np.geomspace(0.5 * CAPS[0], 4 * CAPS[-1], _RUNGS), *CAPS])
        columns = [
            read_at(_dialled(policies[name], others, budgets), cap) for name in _POLICIES.values() for cap in CAPS
        ]
        parts.append((tested, np.concatenate(columns, axis=1)))
        tick(f"thinking_levels {told}, half {seed + 1} of {number_of_halves}")
    return _section(Evidence(len(table.questions), parts), table, told, family)


def read_at(dialled: Floats, cap: float) -> Floats:
    """(questions, signs): what comes of the two neighbours on a dial whose costs are around the cap, mixed to meet it.

    Args:
        dialled: (rungs, questions, signs), the cost last. Rungs that cost less than one before are passed over.
        cap: a question.
    """
    costs = dialled[:, :, -1].mean(axis=1)
    rising = [0]
    for rung in range(1, len(costs)):
        if costs[rung] > costs[rising[-1]]:
            rising.append(rung)
    at = int(np.searchsorted(costs[rising], cap))
    if at in (0, len(rising)):
        return np.asarray(dialled[rising[min(at, len(rising) - 1)]])
    low, high = rising[at - 1], rising[at]
    share = (cap - costs[low]) / (costs[high] - costs[low])
    return np.asarray((1 - share) * dialled[low] + share * dialled[high])


def _dialled(policy: ArmPolicy, table: Table, budgets: Floats) -> Floats:
    """(budgets, questions, signs)."""
    reader = TableReader(policy, table)
    assert table.abstained is not None
    # Which answer stands does not depend on whether it is right, so this says whether it abstains.
    abstained = outcomes_of(policy.arms, replace(table, scores=table.abstained))[0]
    batch = prepared(policy, table.batch())
    found = []
    for budget in budgets.tolist():
        courses = reader.followed(policy.assign(batch, budget * len(table.questions)))
        seen = [courses.standing(each).mean(axis=1) for each in (reader.scores, abstained)]
        left = courses.arms == UNANSWERED
        found.append(np.column_stack([*seen, left, courses.paid(reader.costs).mean(axis=1)]))
    return np.stack(found)


def _section(evidence: Evidence, table: Table, told: str, family: bool) -> Section:
    names = list(_POLICIES)

    def at(policy: str, cap: float, sign: str = "right") -> int:
        return (names.index(policy) * len(CAPS) + CAPS.index(cap)) * len(_SIGNS) + _SIGNS.index(sign)

    def mean(policy: str, cap: float, sign: str = "right") -> float:
        return evidence.find(_column(at(policy, cap, sign))).over_questions.mean

    rows, goals = [], []
    for name in names:
        row = [name, *(f"{mean(name, cap):.3f}" for cap in CAPS)]
        for cap in (1.5, 3.0):
            right, abstained, unanswered = (mean(name, cap, sign) for sign in _SIGNS[:3])
            row.append(f"{right:.3f} / {1 - right - abstained - unanswered:.3f} / {abstained:.3f} / {unanswered:.3f}")
            ahead = evidence.find(_difference(at("joint_safe", cap), at(name, cap))).over_questions
            row.append("" if name == "joint_safe" else interval(ahead, 1, scale=100))
        rows.append(tuple(row))
    title = f"thinking_levels, {told}"
    for cap in CAPS:
        if family:
            found = evidence.find(_column(at("joint_safe", cap))).over_questions
            wanted = _WANTED[cap]
            goals.append(
                Goal(
                    f"{title}: joint_safe at {cap:g}",
                    f"at least {wanted:.3f}",
                    interval(found, signed=False),
                    found.mean >= wanted,
                )
            )
        for name in ("joint", "sequential"):
            behind = evidence.find(_difference(at(name, cap), at("one cascade", cap))).over_questions
            goals.append(
                Goal(
                    f"{title}: {name} - one cascade at {cap:g}",
                    f"at least {_BEHIND:g} points",
                    interval(behind, 1, scale=100),
                    100 * behind.mean >= _BEHIND,
                )
            )
    for cap, points in _AHEAD.items():
        ahead = evidence.find(_difference(at("joint_safe", cap), at("joint up front", cap))).over_questions
        goals.append(
            Goal(
                f"{title}: joint_safe - joint_up_front at {cap:g}",
                f"the lower end above {points:+g} points",
                interval(ahead, 1, scale=100),
                100 * ahead.low > points,
            )
        )
    notes = (
        f"{len(table.questions):,} questions, {len(table.arms)} model-levels, {len(evidence.parts)} halves; score at "
        "equal cost, USD per 1,000 questions; intervals over questions and halves",
        "a cascade wins points by guessing: right / wrong / abstained / unanswered stand beside the score",
    )
    shown = [f"at {cap:g}" for cap in CAPS]
    for cap in (1.5, 3.0):
        shown += [f"right/wrong/abst./unansw. at {cap:g}", f"joint_safe - it at {cap:g}, points"]
    return Section(title, notes, ("policy", *shown), tuple(rows), tuple(goals))


def _column(at: int) -> Measure:
    return lambda means: means[..., at]


def _difference(first: int, second: int) -> Measure:
    return lambda means: means[..., first] - means[..., second]
