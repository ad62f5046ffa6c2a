"""What commands ask of a database, as SQL on its views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..records.rows import JUDGE_NODE
from .views import OF_TEST

__all__ = [
    "COUNTED_BY",
    "PLAN_PAIRS",
    "STUDIES",
    "Question",
    "RunFilter",
    "is_of_test",
    "matching_runs",
    "names_that_begin",
    "tokens_by",
    "verdicts",
]

_LARGEST = 2**63 - 1
"""SQLite's largest whole number."""

COUNTED_BY = {"node": "used.node", "model": "used.model", "plan": "plan", "family": "family", "part": "part"}
"""What tokens can be counted by."""

STUDIES = """
SELECT study_id, created_at, state, plans, runs, best_on_validation, used, spend, unit, paid_tokens, lost_tokens,
  paid_usd, test_reads
FROM study_costs ORDER BY created_at DESC
"""

PLAN_PAIRS = """
SELECT part, task_id, family, question, answer, other_answer, status, other_status, score, other_score, tokens,
  other_tokens, usd, other_usd, run_id, other_run_id
FROM plans_by_question WHERE plan = ? AND other_plan = ? AND part IN ('fit', 'validation')
ORDER BY (SELECT max(started_at) FROM run WHERE run_id IN (plans_by_question.run_id, other_run_id)),
  (SELECT min(started_at) FROM run WHERE run_id IN (plans_by_question.run_id, other_run_id))
"""
"""Two plans on the questions that a search may look at, the newest runs last. Test is for what it has found."""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement with its parameters."""

    sql: str
    parameters: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant; what is None says nothing."""

    study: str | None = None
    """The whole id."""
    plan: str | None = None
    """The whole hash."""
    status: str | None = None
    family: str | None = None
    question: str | None = None
    """What stands in the question, in any case of ASCII letters."""
    part: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """What is told, by its name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}


_CONDITIONS = {
    "study": "study_id = ?",
    "plan": "plan = ?",
    "status": "run_details.status = ?",
    "family": "family = ?",
    "question": "instr(lower(question), lower(?)) > 0",
    "part": "part = ?",
}


def matching_runs(which: RunFilter, limit: int) -> Question:
    """The ids and parts of runs, newest first."""
    where, parameters = _where(which)
    limit = min(limit, _LARGEST)
    sql = f"SELECT run_id, part, tokens FROM run_details {where} ORDER BY started_at DESC LIMIT ?"
    return Question(sql, (*parameters, limit))


def tokens_by(by: Sequence[str], which: RunFilter) -> Question:
    """Runs, calls, tokens and dollars of groups of calls, and the mean score of their runs; the dearest first.

    Verdicts are no part of what a run was charged: they count where nodes do, as one of their own; see `verdicts`.

    Args:
        by: some of `COUNTED_BY`, at least one. Without node and model, runs that called nothing count too.
        which: the runs that are counted.
    """
    where, parameters = _where(which)
    keys = ", ".join(f"{COUNTED_BY[name]} AS {name}" for name in by)
    within = [name for name in by if name in ("node", "model")]
    group = ", ".join(["run_id", *within])
    sums = ("calls", "cached_calls", "input_tokens", "output_tokens", "lost_tokens", "tokens", "nanousd")
    summed = ", ".join(f"coalesce(sum(used.{name}), 0) AS {name}" for name in sums[:-1])
    return Question(
        f"""
        WITH used AS (
          SELECT {group}, {", ".join(f"sum({name}) AS {name}" for name in sums)}
          FROM charges {"" if "node" in by else f"WHERE node <> '{JUDGE_NODE}'"} GROUP BY {group})
        SELECT {keys}, count(*) AS runs, avg(score) AS score, {summed}, coalesce(sum(nanousd), 0) / 1e9 AS usd
        FROM run_details {"JOIN" if within else "LEFT JOIN"} used ON used.run_id = run_details.run_id {where}
        GROUP BY {", ".join(map(str, range(1, len(by) + 1)))}
        ORDER BY sum(used.tokens) DESC, usd DESC
        """,
        parameters,
    )


def verdicts(which: RunFilter) -> Question:
    """What the verdicts on runs cost: their number, tokens and dollars."""
    where, parameters = _where(which)
    return Question(
        "SELECT count(*) AS verdicts, coalesce(sum(charged_tokens + lost_tokens), 0) AS tokens, "
        "coalesce(sum(charged_nanousd + lost_nanousd), 0) / 1e9 AS usd FROM span "
        f"WHERE node = '{JUDGE_NODE}' AND run_id IN (SELECT run_id FROM run_details {where})",
        parameters,
    )


def is_of_test(run_id: str) -> Question:
    """A row where a run is of a question of the test part of any study, whose gold is not shown."""
    return Question(f"SELECT 1 FROM run WHERE run_id = ? AND ({OF_TEST})", (run_id,))


def names_that_begin(what: str, beginning: str) -> Question:
    """The ids of studies or runs, or the hashes of plans that ran, that begin so; the shortest two at most."""
    column, table = {"study": ("study_id", "study"), "plan": ("plan_hash", "run"), "run": ("run_id", "run")}[what]
    sql = f"SELECT DISTINCT {column} FROM {table} WHERE substr({column}, 1, ?) = ? ORDER BY length({column}) LIMIT 2"
    return Question(sql, (len(beginning), beginning))


def _where(which: RunFilter) -> tuple[str, tuple[str, ...]]:
    named = which.named
    conditions = " AND ".join(_CONDITIONS[name] for name in named)
    return (f"WHERE {conditions}" if named else ""), tuple(named.values())
