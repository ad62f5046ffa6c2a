"""Reading studies, trials, runs, what they are made of, and facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnClause, Select, exists, func, literal_column, select, text, true

from ..records.rows import (
    ABSTAINED,
    CallRow,
    FactKind,
    FactRow,
    PlanRow,
    ReplyCount,
    RunRow,
    SpanRow,
    StudyRow,
    TaskRow,
    TrialRow,
)
from ..records.status import Status
from . import schema
from .read_only_query import Answer
from .reader import Reader
from .row_table import RowTable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["TraceReader"]

Row = TypeVar("Row", bound="DataclassInstance")

_ROW_NUMBER: ColumnClause[int] = literal_column("rowid")


class TraceReader:
    """The reading half of `StudyStore`.

    Args:
        reader: of the file.
        catch_up: called before each reading, so that what was handed over is seen.
    """

    def __init__(self, reader: Reader, catch_up: Callable[[], None]) -> None:
        self._reader = reader
        self._catch_up = catch_up

    def study(self, study_id: str) -> StudyRow | None:
        """See `StudyStore.study`."""
        return self._by_key(schema.STUDY, study_id)

    def studies(self) -> Sequence[StudyRow]:
        """See `StudyStore.studies`."""
        return self._rows(schema.STUDY, lambda found: found.order_by(schema.STUDY.table.c.created_at.desc()))

    def trials(self, study_id: str) -> Sequence[TrialRow]:
        """See `StudyStore.trials`."""
        # A row that is replaced keeps its row number, so that is the order in which they began.
        belongs = schema.TRIAL.table.c.study_id == study_id
        return self._rows(schema.TRIAL, lambda found: found.where(belongs).order_by(_ROW_NUMBER))

    def runs(self, *, trial_id: str | None = None, limit: int | None = None) -> Sequence[RunRow]:
        """See `StudyStore.runs`."""
        columns = schema.RUN.table.c
        belongs = true() if trial_id is None else columns.trial_id == trial_id
        newest = columns.started_at.desc(), _ROW_NUMBER.desc()
        return self._rows(schema.RUN, lambda found: found.where(belongs).order_by(*newest).limit(limit))

    def run(self, run_id: str) -> RunRow | None:
        """See `StudyStore.run`."""
        return self._by_key(schema.RUN, run_id)

    def spans(self, run_id: str) -> Sequence[SpanRow]:
        """See `StudyStore.spans`."""
        return self._of_run(schema.SPAN, run_id)

    def calls(self, run_id: str) -> Sequence[CallRow]:
        """See `StudyStore.calls`."""
        return self._of_run(schema.CALL, run_id)

    def reply_counts(self, study_id: str) -> Sequence[ReplyCount]:
        """See `StudyStore.reply_counts`."""
        self._catch_up()
        counts = []
        for row in self._reader.select(_reply_counts(study_id)):
            with self._reader.decoding("call", "call_id", row["call_id"]):
                columns = {name: row[name] for name in row if name != "first"}
                counts.append(
                    ReplyCount(**columns | {"outcome": Status(row["outcome"]), "abstained": bool(row["abstained"])})
                )
        return counts

    def fact(self, subject: str, kind: FactKind) -> FactRow | None:
        """See `FactBook.fact`."""
        return self._by_key(schema.FACT, subject, kind)

    def plan(self, plan_hash: str) -> PlanRow | None:
        """See `StudyStore.plan`."""
        return self._by_key(schema.PLAN, plan_hash)

    def task(self, task_id: str) -> TaskRow | None:
        """See `StudyStore.task`."""
        return self._by_key(schema.TASK, task_id)

    def runs_of(self, run_ids: Sequence[str]) -> Sequence[RunRow]:
        """The runs of these ids, in their order."""
        wanted = schema.RUN.table.c.run_id.in_(
            text("SELECT value FROM json_each(:ids)").bindparams(ids=json.dumps(run_ids))
        )
        found = {row.run_id: row for row in self._rows(schema.RUN, lambda found: found.where(wanted))}
        return [found[run_id] for run_id in run_ids]

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> Answer:
        """What one statement of SQL finds, views of today included, whatever the version of the file.

        Raises:
            StoreError: it is no such statement, or would change something.
        """
        self._catch_up()
        return self._reader.query(statement, parameters)

    def parts(self, seed: int) -> Mapping[str, str]:
        """See `StudyStore.parts`."""
        found = self._rows(schema.PART, lambda found: found.where(schema.PART.table.c.seed == seed))
        return {row.task_id: row.part for row in found}

    def _rows(self, table: RowTable[Row], asked: Callable[[Select[Any]], Select[Any]]) -> list[Row]:
        self._catch_up()
        return self._reader.rows(table, asked)

    def _by_key(self, table: RowTable[Row], *key: str) -> Row | None:
        parts = zip(table.table.primary_key.columns, key, strict=True)
        found = self._rows(table, lambda found: found.where(*(name == value for name, value in parts)))
        return found[0] if found else None

    def _of_run(self, table: RowTable[Row], run_id: str) -> list[Row]:
        columns = table.table.c
        return self._rows(table, lambda f: f.where(columns.run_id == run_id).order_by(columns.started_at, _ROW_NUMBER))


def _reply_counts(study_id: str) -> Select[Any]:
    trial, run, call, span = (table.table for table in (schema.TRIAL, schema.RUN, schema.CALL, schema.SPAN))
    later = call.alias("later")
    number: ColumnClause[int] = literal_column("call.rowid")
    same = (getattr(later.c, name) == getattr(call.c, name) for name in ("run_id", "span_id", "request_key"))
    again = exists().where(*same, literal_column("later.rowid") > number)
    abstained = call.c.error.startswith(ABSTAINED).label("abstained")
    model = call.c.gen_ai_request_model.label("model")
    key = run.c.plan_hash, span.c.node, span.c.kind, model, call.c.outcome, abstained
    first = func.min(number).label("first")
    used = call.c.gen_ai_usage_output_tokens, call.c.gen_ai_usage_reasoning_output_tokens
    output, reasoning = (func.coalesce(func.sum(column), 0) for column in used)
    sums = output.label("output_tokens"), reasoning.label("reasoning_tokens")
    return (
        # Beside a minimum SQLite takes the other columns from the row that has it.
        select(*key, func.count().label("replies"), *sums, run.c.run_id, call.c.call_id, first)
        .select_from(trial)
        .join(run, run.c.trial_id == trial.c.trial_id)
        .join(call, call.c.run_id == run.c.run_id)
        .join(span, span.c.span_id == call.c.span_id)
        .where(trial.c.study_id == study_id, trial.c.part != "headroom", call.c.outcome != Status.CANCELLED.value)
        .where((call.c.gen_ai_response_finish_reasons != "") | ~again)
        .group_by(*key)
        .order_by(first)
    )
