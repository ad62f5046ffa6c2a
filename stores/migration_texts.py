"""The step to texts that one can read, and to columns that name their units; frozen once it has been released."""

from __future__ import annotations

import sqlite3
import zlib

from sqlalchemy import Connection

__all__ = ["texts_and_units", "unpacked"]

_RENAMED = {"weighted": "microweighted", "usd": "nanousd"}
_QUANTITIES = {
    "account": ("charged", "lost", "paid", "reserved", "held"),
    "reservation": ("reserved", "charged", "lost"),
    "trial": ("charged", "lost"),
    "run": ("charged", "lost"),
    "span": ("charged", "lost"),
    "call": ("bound", "reserved", "charged", "lost"),
    "reply": ("charged",),
}
_ADDED = (
    "ALTER TABLE run ADD COLUMN parent_account_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE span ADD COLUMN evidence_hash TEXT",
    "ALTER TABLE call ADD COLUMN reasoning_hash TEXT",
)
_TEXTS = (
    "CREATE TABLE text (hash TEXT NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL, content TEXT)",
    "INSERT INTO text SELECT hash, size, unpacked(data) FROM blob",
    "DROP TABLE blob",
    "ALTER TABLE reply RENAME TO old_reply",
    "CREATE TABLE reply (request_key TEXT NOT NULL PRIMARY KEY, payload TEXT NOT NULL, "
    + ", ".join(
        f"{name} INTEGER NOT NULL DEFAULT 0 CHECK ({name} >= 0)"
        for name in ("charged_tokens", "charged_microweighted", "charged_nanousd")
    )
    + ", stored_at FLOAT NOT NULL)",
    "INSERT INTO reply SELECT request_key, unpacked(payload), charged_tokens, charged_microweighted, charged_nanousd, "
    "stored_at FROM old_reply",
    "DROP TABLE old_reply",
    # For the runs of a plan, and for two plans question by question.
    "CREATE INDEX run_plan ON run (plan_hash, task_id)",
)


def texts_and_units(connection: Connection) -> None:
    """Texts lie as text in `text` and `reply`, and columns are named after what they count in.

    What cannot be unpacked stays as it is, and whoever reads it is told that it is damaged.
    """
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(f"a connection of the sqlite3 module was expected, not {type(raw).__name__}")
    raw.create_function("unpacked", 1, unpacked, deterministic=True)
    for table, quantities in _QUANTITIES.items():
        for quantity in quantities:
            for old, new in _RENAMED.items():
                connection.exec_driver_sql(f"ALTER TABLE {table} RENAME COLUMN {quantity}_{old} TO {quantity}_{new}")
    connection.exec_driver_sql("ALTER TABLE run RENAME COLUMN latency TO latency_seconds")
    for statement in (*_ADDED, *_TEXTS):
        connection.exec_driver_sql(statement)


def unpacked(data: str | bytes | int | float | None) -> str | bytes | int | float | None:
    """The text of a compressed column; as it is where it is none."""
    try:
        return zlib.decompress(data).decode() if isinstance(data, bytes) else data
    except (zlib.error, UnicodeDecodeError):
        return data
