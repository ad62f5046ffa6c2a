"""The tables, as SQLAlchemy Core sees them; `migrations` holds the statements that make them.

Quantities are three integer columns each, one a unit: `charged_tokens`, `charged_weighted` (millionths of a weighted
token), `charged_usd` (billionths of a dollar). Times are seconds since the epoch. Columns of `call` are named after
OpenTelemetry's gen_ai attributes where there is one, with underscores for dots.
"""

from __future__ import annotations

from sqlalchemy import Column, Computed, Float, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

__all__ = [
    "ACCOUNT_TOTALS",
    "UNITS",
    "account",
    "blob",
    "call",
    "fact",
    "insert_statement",
    "metadata",
    "owner",
    "plan",
    "reply",
    "reservation",
    "run",
    "schema_version",
    "span",
    "study",
    "task",
    "trial",
    "used_expression",
]

UNITS = ("tokens", "weighted", "usd")
_DIALECT = sqlite.dialect(paramstyle="qmark")


def _amount(*quantities: str) -> list[Column[int]]:
    return [Column(f"{quantity}_{unit}", Integer, nullable=False) for quantity in quantities for unit in UNITS]


def used_expression() -> str:
    """SQL for what counts against an account's limit, in the limit's unit; NULL without a limit."""
    cases = " ".join(
        f"WHEN '{unit}' THEN reserved_{unit} + "
        f"CASE measure WHEN 'paid' THEN paid_{unit} ELSE charged_{unit} + lost_{unit} END"
        for unit in UNITS
    )
    return f"CASE limit_unit {cases} END"


metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("applied_at", Float, nullable=False),
)
owner = Table(
    "owner",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("process_started", Text, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
    Column("state", Text, nullable=False),
)
ACCOUNT_TOTALS = (
    *(f"{q}_{u}" for q in ("charged", "lost", "paid", "reserved", "held") for u in UNITS),
    "in_flight",
    "releases",
)
"""The columns of `account` that change, in the order of the ledger's totals. `held` is the part of `reserved` that
belongs to allowances; `releases` counts settlements below the account, for those who wait."""
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
    Column("used", Integer, Computed(used_expression(), persisted=False)),
)
reservation = Table(
    "reservation",
    metadata,
    Column("reservation_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    *_amount("reserved"),
    Column("owner_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("state", Text, nullable=False),
    *_amount("charged", "lost"),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float),
)
study = Table(
    "study",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("graph_hash", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("test_reads", Integer, nullable=False),
)
trial = Table(
    "trial",
    metadata,
    Column("trial_id", Text, primary_key=True),
    Column("study_id", Text, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("rung", Integer, nullable=False),
    Column("tasks", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("coverage", Float, nullable=False),
    *_amount("charged", "lost"),
    Column("state", Text, nullable=False),
)
task = Table(
    "task",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("family", Text, nullable=False),
    Column("content", Text, nullable=False),
)
plan = Table(
    "plan",
    metadata,
    Column("plan_hash", Text, primary_key=True),
    Column("graph_hash", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("drawing", Text, nullable=False),
)
run = Table(
    "run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("trial_id", Text),
    Column("task_id", Text, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("graph_hash", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("stop_reason", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("score", Float),
    *_amount("charged", "lost"),
    Column("latency", Float, nullable=False),
)
span = Table(
    "span",
    metadata,
    Column("span_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("part", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("status", Text, nullable=False),
    *_amount("charged", "lost"),
    Column("answer", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("events_hash", Text),
)
call = Table(
    "call",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("span_id", Text, nullable=False),
    Column("reservation_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("request_key", Text, nullable=False),
    Column("gen_ai_operation_name", Text, nullable=False),
    Column("gen_ai_provider_name", Text, nullable=False),
    Column("gen_ai_request_model", Text, nullable=False),
    Column("gen_ai_request_max_tokens", Integer, nullable=False),
    Column("gen_ai_request_temperature", Float, nullable=False),
    Column("gen_ai_request_seed", Integer),
    Column("sample_index", Integer, nullable=False),
    Column("gen_ai_input_messages_hash", Text),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("outcome", Text, nullable=False),
    *_amount("bound", "reserved", "charged", "lost"),
    Column("cached", Integer, nullable=False),
    Column("gen_ai_usage_input_tokens", Integer),
    Column("gen_ai_usage_output_tokens", Integer),
    Column("gen_ai_usage_reasoning_output_tokens", Integer),
    Column("gen_ai_usage_cache_read_input_tokens", Integer),
    Column("usage_estimated", Integer),
    Column("gen_ai_response_model", Text, nullable=False),
    Column("gen_ai_response_id", Text, nullable=False),
    Column("gen_ai_response_finish_reasons", Text, nullable=False),
    Column("gen_ai_output_messages_hash", Text),
    Column("error", Text, nullable=False),
)
fact = Table(
    "fact",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("content", Text, nullable=False),
    Column("found_at", Float, nullable=False),
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
    *_amount("charged"),
    Column("stored_at", Float, nullable=False),
)


def insert_statement(table: Table, on_conflict: str = "replace") -> str:
    """The driver's SQL to insert a row of `table`, parameters in the order of its stored columns.

    Args:
        table: where to.
        on_conflict: what happens to a row whose key exists: "replace" sets its columns in place, so that it keeps
            its row number; "keep" leaves it as it is; "fail" is an error.
    """
    names = [column.name for column in table.columns if column.computed is None]
    statement = insert(table).values(dict.fromkeys(names))
    keys = [column.name for column in table.primary_key.columns]
    if on_conflict == "replace":
        fresh = {name: statement.excluded[name] for name in names if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=fresh)
    elif on_conflict == "keep":
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    return str(statement.compile(dialect=_DIALECT, column_keys=names))
