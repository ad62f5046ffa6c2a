"""Rows to parameters, in the order of the columns in `schema`, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..records.rows import (
    CallRow,
    FactRow,
    PlanRow,
    Reservation,
    RunRow,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TrialRow,
)
from ..records.status import Status
from ..records.usage import ZERO, Amount, Usage
from .blobs import BlobEncoder, pack, unpack
from .text import bounded, redacted

__all__ = [
    "amount",
    "call_row",
    "call_values",
    "fact_row",
    "fact_values",
    "plan_row",
    "plan_values",
    "reply_row",
    "reply_values",
    "reservation_values",
    "run_row",
    "run_values",
    "span_row",
    "span_values",
    "study_row",
    "study_values",
    "task_row",
    "task_values",
    "trial_row",
    "trial_values",
]

Values = tuple[Any, ...]
Columns = Mapping[str, Any]
Texts = Callable[[str | None], str]
"""From a blob's hash to its text."""


def amount(columns: Columns, quantity: str) -> Amount:
    """The three columns of a quantity."""
    return Amount(columns[f"{quantity}_tokens"], columns[f"{quantity}_weighted"], columns[f"{quantity}_usd"])


def _short(text: str) -> str:
    return bounded(redacted(text)) if text else text


def study_values(row: StudyRow) -> Values:
    """Parameters for `study`."""
    return (
        row.study_id,
        row.graph_hash,
        row.account_id,
        redacted(row.arguments),
        row.created_at,
        row.state,
        row.test_reads,
    )


def study_row(columns: Columns) -> StudyRow:
    """A row of `study`."""
    return StudyRow(**columns)


def trial_values(row: TrialRow) -> Values:
    """Parameters for `trial`."""
    charged, lost = row.charged, row.lost
    return (
        row.trial_id,
        row.study_id,
        row.plan_hash,
        row.part,
        row.rung,
        row.tasks,
        row.score,
        row.coverage,
        charged.tokens,
        charged.weighted,
        charged.usd,
        lost.tokens,
        lost.weighted,
        lost.usd,
        row.state,
    )


def trial_row(columns: Columns) -> TrialRow:
    """A row of `trial`."""
    names = ("trial_id", "study_id", "plan_hash", "part", "rung", "tasks", "score", "coverage", "state")
    kept = {name: columns[name] for name in names}
    return TrialRow(**kept, charged=amount(columns, "charged"), lost=amount(columns, "lost"))


def fact_values(row: FactRow) -> Values:
    """Parameters for `fact`."""
    return (row.subject, row.kind, redacted(row.content), row.found_at)


def fact_row(columns: Columns) -> FactRow:
    """A row of `fact`."""
    return FactRow(**columns)


def task_values(row: TaskRow) -> Values:
    """Parameters for `task`."""
    return (row.task_id, row.family, redacted(row.content))


def task_row(columns: Columns) -> TaskRow:
    """A row of `task`."""
    return TaskRow(**columns)


def plan_values(row: PlanRow) -> Values:
    """Parameters for `plan`."""
    return (row.plan_hash, row.graph_hash, redacted(row.content), redacted(row.drawing))


def plan_row(columns: Columns) -> PlanRow:
    """A row of `plan`."""
    return PlanRow(**columns)


def run_values(row: RunRow) -> Values:
    """Parameters for `run`."""
    charged, lost = row.charged, row.lost
    return (
        row.run_id,
        row.trial_id,
        row.task_id,
        row.plan_hash,
        row.graph_hash,
        row.account_id,
        row.started_at,
        row.ended_at,
        row.status.value,
        _short(row.stop_reason),
        _short(row.answer),
        row.score,
        charged.tokens,
        charged.weighted,
        charged.usd,
        lost.tokens,
        lost.weighted,
        lost.usd,
        row.latency,
    )


def run_row(columns: Columns) -> RunRow:
    """A row of `run`."""
    return RunRow(
        run_id=columns["run_id"],
        trial_id=columns["trial_id"],
        task_id=columns["task_id"],
        plan_hash=columns["plan_hash"],
        graph_hash=columns["graph_hash"],
        account_id=columns["account_id"],
        started_at=columns["started_at"],
        ended_at=columns["ended_at"],
        status=Status(columns["status"]),
        stop_reason=columns["stop_reason"],
        answer=columns["answer"],
        score=columns["score"],
        charged=amount(columns, "charged"),
        lost=amount(columns, "lost"),
        latency=columns["latency"],
    )


def span_values(row: SpanRow, blobs: BlobEncoder) -> Values:
    """Parameters for `span`."""
    charged, lost = row.charged, row.lost
    return (
        row.span_id,
        row.run_id,
        row.node,
        row.kind,
        row.round,
        _short(row.part),
        row.started_at,
        row.ended_at,
        row.status.value,
        charged.tokens,
        charged.weighted,
        charged.usd,
        lost.tokens,
        lost.weighted,
        lost.usd,
        _short(row.answer),
        _short(row.reason),
        None if row.events == "[]" else blobs.hash(row.events),
    )


def span_row(columns: Columns, texts: Texts) -> SpanRow:
    """A row of `span`."""
    return SpanRow(
        span_id=columns["span_id"],
        run_id=columns["run_id"],
        node=columns["node"],
        kind=columns["kind"],
        round=columns["round"],
        part=columns["part"],
        started_at=columns["started_at"],
        ended_at=columns["ended_at"],
        status=Status(columns["status"]),
        charged=amount(columns, "charged"),
        lost=amount(columns, "lost"),
        answer=columns["answer"],
        reason=columns["reason"],
        events=texts(columns["events_hash"]) or "[]",
    )


def call_values(row: CallRow, reserved: Amount, blobs: BlobEncoder) -> Values:
    """Parameters for `call`; `reserved` is what was taken for it."""
    bound, charged, lost, usage = row.bound, row.charged, row.lost, row.usage
    return (
        row.call_id,
        row.run_id,
        row.span_id,
        row.reservation_id,
        row.attempt,
        row.request_key,
        row.operation_name,
        row.provider_name,
        row.request_model,
        row.request_max_tokens,
        row.request_temperature,
        row.request_seed,
        row.sample_index,
        blobs.hash(row.request_messages),
        row.started_at,
        row.ended_at,
        row.outcome.value,
        bound.tokens,
        bound.weighted,
        bound.usd,
        reserved.tokens,
        reserved.weighted,
        reserved.usd,
        charged.tokens,
        charged.weighted,
        charged.usd,
        lost.tokens,
        lost.weighted,
        lost.usd,
        int(row.cached),
        *_usage_values(usage),
        row.response_model,
        row.response_id,
        row.finish_reason,
        blobs.hash(row.output_text),
        _short(row.error),
    )


def _usage_values(usage: Usage | None) -> Values:
    if usage is None:
        return (None, None, None, None, None)
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.cached_input_tokens,
        int(usage.estimated),
    )


def call_row(columns: Columns, texts: Texts) -> CallRow:
    """A row of `call`."""
    return CallRow(
        call_id=columns["call_id"],
        run_id=columns["run_id"],
        span_id=columns["span_id"],
        reservation_id=columns["reservation_id"],
        attempt=columns["attempt"],
        request_key=columns["request_key"],
        request_model=columns["gen_ai_request_model"],
        operation_name=columns["gen_ai_operation_name"],
        provider_name=columns["gen_ai_provider_name"],
        request_max_tokens=columns["gen_ai_request_max_tokens"],
        request_temperature=columns["gen_ai_request_temperature"],
        request_seed=columns["gen_ai_request_seed"],
        sample_index=columns["sample_index"],
        request_messages=texts(columns["gen_ai_input_messages_hash"]),
        started_at=columns["started_at"],
        ended_at=columns["ended_at"],
        outcome=Status(columns["outcome"]),
        bound=amount(columns, "bound"),
        charged=amount(columns, "charged"),
        lost=amount(columns, "lost"),
        cached=bool(columns["cached"]),
        usage=_usage(columns),
        response_model=columns["gen_ai_response_model"],
        response_id=columns["gen_ai_response_id"],
        finish_reason=columns["gen_ai_response_finish_reasons"],
        output_text=texts(columns["gen_ai_output_messages_hash"]),
        error=columns["error"],
    )


def _usage(columns: Columns) -> Usage | None:
    if columns["gen_ai_usage_input_tokens"] is None:
        return None
    return Usage(
        input_tokens=columns["gen_ai_usage_input_tokens"],
        output_tokens=columns["gen_ai_usage_output_tokens"],
        reasoning_tokens=columns["gen_ai_usage_reasoning_output_tokens"],
        cached_input_tokens=columns["gen_ai_usage_cache_read_input_tokens"],
        estimated=bool(columns["usage_estimated"]),
    )


def reservation_values(row: Reservation, owner_id: str, opened_at: float) -> Values:
    """Parameters for `reservation`, which is open."""
    reserved = row.amount
    return (
        row.reservation_id,
        row.account_id,
        reserved.tokens,
        reserved.weighted,
        reserved.usd,
        owner_id,
        row.kind,
        int(row.cached),
        "open",
        *(ZERO.tokens, ZERO.weighted, ZERO.usd) * 2,
        opened_at,
        None,
    )


def reply_values(row: StoredReply, stored_at: float) -> Values:
    """Parameters for `reply`. Unlike blobs, the payload is kept whole: it is read again in place of a call."""
    charged = row.charged
    return (
        row.request_key,
        pack(redacted(row.payload).encode()),
        charged.tokens,
        charged.weighted,
        charged.usd,
        stored_at,
    )


def reply_row(request_key: str, columns: tuple[bytes, int, int, int]) -> StoredReply:
    """A row of `reply`: payload and the three columns of charged."""
    payload, *charged = columns
    return StoredReply(request_key, unpack(payload), Amount(*charged))
