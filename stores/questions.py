"""What commands ask of a database, as SQL on its views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

__all__ = [
    "COUNTED_BY",
    "PLAN_PAIRS",
    "STUDIES",
    "Question",
    "RunFilter",
    "matching_runs",
    "names_that_begin",
    "tokens_by",
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
"""
"""Two plans on the questions that a search may look at; those of test are for what it has found."""


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

    Args:
        by: some of `COUNTED_BY`, at least one.
        which: the runs that are counted.
    """
    where, parameters = _where(which)
    keys = ", ".join(f"{COUNTED_BY[name]} AS {name}" for name in by)
    within = [name for name in by if name in ("node", "model")]
    group = ", ".join(["call.run_id", *within])
    return Question(
        f"""
        WITH used AS (
          SELECT call.run_id, span.node AS node, call.gen_ai_request_model AS model, count(*) AS calls,
            sum(call.cached) AS cached_calls, sum(call.gen_ai_usage_input_tokens) AS input_tokens,
            sum(call.gen_ai_usage_output_tokens) AS output_tokens, sum(call.lost_tokens) AS lost_tokens,
            sum(call.charged_tokens + call.lost_tokens) AS tokens,
            sum(call.charged_nanousd + call.lost_nanousd) AS nanousd
          FROM call JOIN span ON span.span_id = call.span_id
          GROUP BY {group})
        SELECT {keys}, count(*) AS runs, avg(score) AS score, sum(calls) AS calls, sum(cached_calls) AS cached_calls,
          coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
          sum(used.tokens) AS tokens, sum(used.lost_tokens) AS lost_tokens, sum(nanousd) / 1e9 AS usd
        FROM used JOIN run_details ON run_details.run_id = used.run_id {where}
        GROUP BY {", ".join(map(str, range(1, len(by) + 1)))}
        ORDER BY sum(used.tokens) DESC
        """,
        parameters,
    )


def names_that_begin(what: str, beginning: str) -> Question:
    """The ids of studies or runs, or the hashes of plans that ran, that begin so; two at most."""
    column, table = {"study": ("study_id", "study"), "plan": ("plan_hash", "run"), "run": ("run_id", "run")}[what]
    sql = f"SELECT DISTINCT {column} FROM {table} WHERE substr({column}, 1, ?) = ? LIMIT 2"
    return Question(sql, (len(beginning), beginning))


def _where(which: RunFilter) -> tuple[str, tuple[str, ...]]:
    named = which.named
    conditions = " AND ".join(_CONDITIONS[name] for name in named)
    return (f"WHERE {conditions}" if named else ""), tuple(named.values())
