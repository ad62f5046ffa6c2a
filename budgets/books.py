"""All the books of a study in this process's memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..records.rows import (
    ABSTAINED,
    CallRow,
    FactKind,
    FactRow,
    PartRow,
    PlanRow,
    ReplyCount,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TraceRow,
    TrialRow,
)
from ..records.status import Status
from ..records.usage import Usage
from .memory import MemoryLedger

__all__ = ["MemoryStore"]


class MemoryStore(MemoryLedger):
    """Keeps everything until the process ends; implements `StudyStore`.

    For tests, notebooks and single runs. Where the books must outlive the process, open a store on SQLite instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self._studies: dict[str, StudyRow] = {}
        self._parts: dict[tuple[int, str], PartRow] = {}
        self._trials: dict[str, TrialRow] = {}
        self._tasks: dict[str, TaskRow] = {}
        self._plans: dict[str, PlanRow] = {}
        self._runs: dict[str, RunRow] = {}
        self._spans: dict[str, dict[str, SpanRow]] = {}
        self._calls: dict[str, dict[str, CallRow]] = {}
        self._replies: dict[str, StoredReply] = {}
        self._facts: dict[tuple[str, FactKind], FactRow] = {}

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
            self.record(call)
        if reply is not None:
            self._replies.setdefault(reply.request_key, reply)

    def get(self, request_key: str) -> StoredReply | None:
        """See `ReplyCache.get`."""
        return self._replies.get(request_key)

    def fact(self, subject: str, kind: FactKind) -> FactRow | None:
        """See `FactBook.fact`."""
        return self._facts.get((subject, kind))

    def record(self, row: TraceRow) -> None:
        """See `Recorder.record`."""
        match row:
            case TaskRow():
                self._tasks.setdefault(row.task_id, row)
            case PlanRow():
                self._plans.setdefault(row.plan_hash, row)
            case RunRow():
                self._runs[row.run_id] = row
            case SpanRow():
                self._spans.setdefault(row.run_id, {})[row.span_id] = row
            case CallRow():
                self._calls.setdefault(row.run_id, {})[row.call_id] = row
            case FactRow():
                self._facts[row.subject, row.kind] = row
            case StudyRow():
                self._studies[row.study_id] = row
            case TrialRow():
                self._trials[row.trial_id] = row
            case PartRow():
                self._parts.setdefault((row.seed, row.task_id), row)

    def conceal(self, secrets: Iterable[str]) -> None:
        """See `Recorder.conceal`; memory outlives nobody, so it keeps what it is given."""

    def flush(self) -> None:
        """See `Recorder.flush`; memory is never behind."""

    def study(self, study_id: str) -> StudyRow | None:
        """See `StudyStore.study`."""
        return self._studies.get(study_id)

    def studies(self) -> Sequence[StudyRow]:
        """See `StudyStore.studies`."""
        return sorted(self._studies.values(), key=lambda row: row.created_at, reverse=True)

    def trials(self, study_id: str) -> Sequence[TrialRow]:
        """See `StudyStore.trials`."""
        return [row for row in self._trials.values() if row.study_id == study_id]

    def runs(self, *, trial_id: str | None = None, limit: int | None = None) -> Sequence[RunRow]:
        """See `StudyStore.runs`."""
        rows = [row for row in self._runs.values() if trial_id is None or row.trial_id == trial_id]
        return sorted(rows, key=lambda row: row.started_at, reverse=True)[:limit]

    def run(self, run_id: str) -> RunRow | None:
        """See `StudyStore.run`."""
        return self._runs.get(run_id)

    def spans(self, run_id: str) -> Sequence[SpanRow]:
        """See `StudyStore.spans`."""
        return sorted(self._spans.get(run_id, {}).values(), key=lambda row: row.started_at)

    def calls(self, run_id: str) -> Sequence[CallRow]:
        """See `StudyStore.calls`."""
        return sorted(self._calls.get(run_id, {}).values(), key=lambda row: row.started_at)

    def reply_counts(self, study_id: str) -> Sequence[ReplyCount]:
        """See `StudyStore.reply_counts`."""
        trials = {row.trial_id for row in self.trials(study_id) if row.part != "headroom"}
        counts: dict[tuple[str, str, str, str, Status, bool], ReplyCount] = {}
        for run in self._runs.values():
            if run.trial_id not in trials:
                continue
            spans, calls = self._spans.get(run.run_id, {}), self._calls.get(run.run_id, {}).values()
            last = {(call.span_id, call.request_key): call.call_id for call in calls}
            for call in calls:
                span, outcome = spans.get(call.span_id), call.outcome
                again = not call.finish_reason and last[call.span_id, call.request_key] != call.call_id
                if span is None or again or outcome is Status.CANCELLED:
                    continue
                abstained = call.error.startswith(ABSTAINED)
                key = run.plan_hash, span.node, span.kind, call.request_model, outcome, abstained
                known = counts.get(key) or ReplyCount(*key[:-1], 0, run.run_id, call.call_id, abstained=abstained)
                used = call.usage or Usage(0, 0)
                counts[key] = replace(
                    known,
                    replies=known.replies + 1,
                    output_tokens=known.output_tokens + used.output_tokens,
                    reasoning_tokens=known.reasoning_tokens + used.reasoning_tokens,
                )
        return list(counts.values())

    def plan(self, plan_hash: str) -> PlanRow | None:
        """See `StudyStore.plan`."""
        return self._plans.get(plan_hash)

    def task(self, task_id: str) -> TaskRow | None:
        """See `StudyStore.task`."""
        return self._tasks.get(task_id)

    def parts(self, seed: int) -> Mapping[str, str]:
        """See `StudyStore.parts`."""
        return {row.task_id: row.part for row in self._parts.values() if row.seed == seed}

    def close(self) -> None:
        """See `StudyStore.close`; nothing to let go of."""
