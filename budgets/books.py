"""All the books of a study in this process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..records.rows import (
    CallRow,
    FactKind,
    FactRow,
    PlanRow,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TrialRow,
)
from .memory import MemoryLedger

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Rows:
    studies: dict[str, StudyRow] = field(default_factory=dict)
    trials: dict[str, TrialRow] = field(default_factory=dict)
    tasks: dict[str, TaskRow] = field(default_factory=dict)
    plans: dict[str, PlanRow] = field(default_factory=dict)
    runs: dict[str, RunRow] = field(default_factory=dict)
    spans: dict[str, dict[str, SpanRow]] = field(default_factory=dict)
    calls: dict[str, list[CallRow]] = field(default_factory=dict)
    replies: dict[str, StoredReply] = field(default_factory=dict)
    facts: dict[tuple[str, FactKind], FactRow] = field(default_factory=dict)


class MemoryStore(MemoryLedger):
    """Keeps everything until the process ends; implements `StudyStore`.

    For tests, notebooks and single runs. Where the books must outlive the process, open a store on SQLite instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows = _Rows()

    @property
    def location(self) -> str:
        """See `StudyStore.location`."""
        return "memory"

    @property
    def owner(self) -> str:
        """See `StudyStore.owner`; reservations in memory die with their process, so one name serves."""
        return "memory"

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """See `LedgerBackend.settle`."""
        if not self.settled(settlement):
            return
        if call is not None:
            self.record_call(call)
        if reply is not None:
            self._rows.replies.setdefault(reply.request_key, reply)

    def get(self, request_key: str) -> StoredReply | None:
        """See `ReplyCache.get`."""
        return self._rows.replies.get(request_key)

    def record_fact(self, row: FactRow) -> None:
        """See `FactBook.record_fact`."""
        self._rows.facts[row.subject, row.kind] = row

    def fact(self, subject: str, kind: FactKind) -> FactRow | None:
        """See `FactBook.fact`."""
        return self._rows.facts.get((subject, kind))

    def record_task(self, row: TaskRow) -> None:
        """See `Recorder.record_task`."""
        self._rows.tasks.setdefault(row.task_id, row)

    def record_plan(self, row: PlanRow) -> None:
        """See `Recorder.record_plan`."""
        self._rows.plans.setdefault(row.plan_hash, row)

    def record_run(self, row: RunRow) -> None:
        """See `Recorder.record_run`."""
        self._rows.runs[row.run_id] = row

    def record_span(self, row: SpanRow) -> None:
        """See `Recorder.record_span`."""
        self._rows.spans.setdefault(row.run_id, {})[row.span_id] = row

    def record_call(self, row: CallRow) -> None:
        """See `Recorder.record_call`."""
        self._rows.calls.setdefault(row.run_id, []).append(row)

    def flush(self) -> None:
        """See `Recorder.flush`; memory is never behind."""

    def record_study(self, row: StudyRow) -> None:
        """See `StudyStore.record_study`."""
        self._rows.studies[row.study_id] = row

    def record_trial(self, row: TrialRow) -> None:
        """See `StudyStore.record_trial`."""
        self._rows.trials[row.trial_id] = row

    def study(self, study_id: str) -> StudyRow | None:
        """See `StudyStore.study`."""
        return self._rows.studies.get(study_id)

    def studies(self) -> Sequence[StudyRow]:
        """See `StudyStore.studies`."""
        return sorted(self._rows.studies.values(), key=lambda row: row.created_at, reverse=True)

    def trials(self, study_id: str) -> Sequence[TrialRow]:
        """See `StudyStore.trials`."""
        return [row for row in self._rows.trials.values() if row.study_id == study_id]

    def runs(self, *, trial_id: str | None = None, limit: int | None = None) -> Sequence[RunRow]:
        """See `StudyStore.runs`."""
        rows = [row for row in self._rows.runs.values() if trial_id is None or row.trial_id == trial_id]
        return sorted(rows, key=lambda row: row.started_at, reverse=True)[:limit]

    def run(self, run_id: str) -> RunRow | None:
        """See `StudyStore.run`."""
        return self._rows.runs.get(run_id)

    def spans(self, run_id: str) -> Sequence[SpanRow]:
        """See `StudyStore.spans`."""
        return sorted(self._rows.spans.get(run_id, {}).values(), key=lambda row: row.started_at)

    def calls(self, run_id: str) -> Sequence[CallRow]:
        """See `StudyStore.calls`."""
        return sorted(self._rows.calls.get(run_id, []), key=lambda row: row.started_at)

    def plan(self, plan_hash: str) -> PlanRow | None:
        """See `StudyStore.plan`."""
        return self._rows.plans.get(plan_hash)

    def task(self, task_id: str) -> TaskRow | None:
        """See `StudyStore.task`."""
        return self._rows.tasks.get(task_id)

    def close(self) -> None:
        """See `StudyStore.close`; nothing to let go of."""
