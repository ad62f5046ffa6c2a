"""The tables, as SQLAlchemy Core sees them; `migrations` holds the statements that make them.

Quantities are three integer columns each, one a unit: `charged_tokens`, `charged_weighted` (millionths of a weighted
token), `charged_usd` (billionths of a dollar). Times are seconds since the epoch. Columns of `call` are named after
OpenTelemetry's gen_ai attributes where there is one, with underscores for dots.
"""

from __future__ import annotations

from sqlalchemy import Column, Computed, Float, Integer, LargeBinary, MetaData, Table, Text

from ..records.accounts import FIGURES
from ..records.rows import UNITS, CallRow, FactRow, PartRow, PlanRow, RunRow, SpanRow, StudyRow, TaskRow, TrialRow
from .row_table import RowTable, amount_columns

__all__ = ["ACCOUNT_TOTALS", "CALL", "FACT", "PART", "PLAN", "RUN", "SPAN", "STUDY", "TASK", "TRIAL", "account", "blob"]
__all__ += ["metadata", "reply", "reservation"]

metadata = MetaData()

STUDY = RowTable(metadata, "study", StudyRow)
TRIAL = RowTable(metadata, "trial", TrialRow)
TASK = RowTable(metadata, "task", TaskRow, keep=True)
PLAN = RowTable(metadata, "plan", PlanRow, keep=True)
FACT = RowTable(metadata, "fact", FactRow, keys=2)
PART = RowTable(metadata, "part", PartRow, keep=True, keys=2)
RUN = RowTable(metadata, "run", RunRow)
SPAN = RowTable(
    metadata,
    "span",
    SpanRow,
    renamed={"events": ("events_hash",)},
    blobs={"events"},
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
    },
    blobs={"request_messages", "output_text"},
)
ACCOUNT_TOTALS = (*FIGURES, "releases")
"""The columns of `account` that change; `releases` counts settlements below the account, for those who wait."""
_USED = " ".join(
    f"WHEN '{unit}' THEN reserved_{unit} + "
    f"CASE measure WHEN 'paid' THEN paid_{unit} ELSE charged_{unit} + lost_{unit} END"
    for unit in UNITS
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
    # What counts against the limit, in the limit's unit.
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
blob = Table(
    "blob",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
reply = Table(
    "reply",
    metadata,
    Column("request_key", Text, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    *amount_columns("charged"),
    Column("stored_at", Float, nullable=False),
)
