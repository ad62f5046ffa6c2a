"""The tables, as SQLAlchemy Core sees them; `migrations` holds the statements that make them.

Quantities are three integer columns each, one a unit: `charged_tokens`, `charged_microweighted` (millionths of a
weighted token), `charged_nanousd` (billionths of a dollar). Times are seconds since the epoch. Columns of `call` are
named after OpenTelemetry's gen_ai attributes where there is one, with underscores for dots. `views` has what is made
of the tables for those who read.
"""

from __future__ import annotations

from sqlalchemy import Column, Computed, Float, Integer, MetaData, Table, Text

from ..records.accounts import FIGURES
from ..records.rows import (
    SMALLEST_UNITS,
    UNITS,
    CallRow,
    FactRow,
    PartRow,
    PlanRow,
    RunRow,
    SpanRow,
    StudyRow,
    TaskRow,
    TrialRow,
)
from .row_table import RowTable, amount_columns

__all__ = ["ACCOUNT_TOTALS", "CALL", "FACT", "PART", "PLAN", "RUN", "SPAN", "STUDY", "TASK", "TRIAL", "account"]
__all__ += ["metadata", "reply", "reservation", "text"]

metadata = MetaData()

STUDY = RowTable(metadata, "study", StudyRow)
TRIAL = RowTable(metadata, "trial", TrialRow)
TASK = RowTable(metadata, "task", TaskRow, keep=True)
PLAN = RowTable(metadata, "plan", PlanRow, keep=True)
FACT = RowTable(metadata, "fact", FactRow, keys=2)
PART = RowTable(metadata, "part", PartRow, keep=True, keys=2)
RUN = RowTable(metadata, "run", RunRow, renamed={"latency": ("latency_seconds",)})
SPAN = RowTable(
    metadata,
    "span",
    SpanRow,
    renamed={"events": ("events_hash",), "evidence": ("evidence_hash",)},
    texts={"events", "evidence"},
    said={"evidence"},
)
CALL = RowTable(
    metadata,
    "call",
    CallRow,
    renamed={
        "operation_name": ("gen_ai_operation_name",),
        "provider_name": ("gen_ai_provider_name",),
        "request_model": ("gen_ai_request_model",),
        "request_max_tokens": ("gen_ai_request_max_tokens",),
        "request_temperature": ("gen_ai_request_temperature",),
        "request_seed": ("gen_ai_request_seed",),
        "request_messages": ("gen_ai_input_messages_hash",),
        "bound": ("bound", "reserved"),
        "usage": (
            "gen_ai_usage_input_tokens",
            "gen_ai_usage_output_tokens",
            "gen_ai_usage_reasoning_output_tokens",
            "gen_ai_usage_cache_read_input_tokens",
            "usage_estimated",
        ),
        "response_model": ("gen_ai_response_model",),
        "response_id": ("gen_ai_response_id",),
        "finish_reason": ("gen_ai_response_finish_reasons",),
        "output_text": ("gen_ai_output_messages_hash",),
        "reasoning_text": ("reasoning_hash",),
    },
    texts={"request_messages", "output_text", "reasoning_text"},
    said={"request_messages", "output_text", "reasoning_text"},
)
ACCOUNT_TOTALS = (*FIGURES, "releases")
"""The columns of `account` that change; `releases` counts settlements below the account, for those who wait."""
_USED = " ".join(
    f"WHEN '{unit}' THEN reserved_{smallest} + "
    f"CASE measure WHEN 'paid' THEN paid_{smallest} ELSE charged_{smallest} + lost_{smallest} END"
    for unit, smallest in zip(UNITS, SMALLEST_UNITS, strict=True)
)
account = Table(
    "account",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("parent_id", Text),
    Column("limit_unit", Text),
    Column("limit_value", Integer),
    Column("measure", Text, nullable=False),
    Column("label", Text, nullable=False),
    *(Column(name, Integer, nullable=False) for name in ACCOUNT_TOTALS),
    # What counts against the limit, in the smallest part of the limit's unit.
    Column("used", Integer, Computed(f"CASE limit_unit {_USED} END", persisted=False)),
)
reservation = Table(
    "reservation",
    metadata,
    Column("reservation_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    *amount_columns("reserved"),
    Column("owner_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("state", Text, nullable=False),
    *amount_columns("charged", "lost"),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float),
)
text = Table(
    "text",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("bytes", Integer, nullable=False),
    # A blob in zlib's format where texts are compressed; NULL where only the hash is kept.
    Column("content", Text),
)
reply = Table(
    "reply",
    metadata,
    Column("request_key", Text, primary_key=True),
    Column("payload", Text, nullable=False),
    *amount_columns("charged"),
    Column("stored_at", Float, nullable=False),
)
