"""Reading a file of an older schema as if it were of the present one, without changing it.

What has another name there, or none, gets temporary views of the connection, which stand before the file's tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Set

from sqlalchemy import Column, Float, Integer, Table

from . import schema
from .migration_texts import unpacked
from .migrations import VERSION
from .views import VIEWS

__all__ = ["present_as_today"]

_FORMERLY = {"_microweighted": "_weighted", "_nanousd": "_usd", "latency_seconds": "latency"}
_TEXTS = "SELECT rowid AS rowid, hash, size AS bytes, unpacked(data) AS content FROM main.blob"
_PARTS = (
    "SELECT NULL AS rowid, seed, task_id, part FROM ("
    "SELECT seed, task_id, part, row_number() OVER (PARTITION BY seed, task_id ORDER BY started_at) AS place FROM ("
    "SELECT CASE WHEN json_valid(arguments) THEN json_extract(arguments, '$.seed') END AS seed, "
    "run.task_id, trial.part, run.started_at "
    "FROM main.run JOIN main.trial USING (trial_id) JOIN main.study USING (study_id) "
    "WHERE trial.part IN ('fit', 'validation', 'test')) WHERE typeof(seed) = 'integer') WHERE place = 1"
)
"""The parts of tasks as the third schema's step enters them."""


def present_as_today(connection: sqlite3.Connection) -> None:
    """Gives a connection the present tables and views where its file is of an older schema; nothing otherwise."""
    tables = {name for (name,) in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'")}
    if "schema_version" not in tables:
        return
    (version,) = connection.execute("SELECT max(version) FROM main.schema_version").fetchone()
    if not isinstance(version, int) or version >= VERSION:
        return
    connection.create_function("unpacked", 1, unpacked, deterministic=True)
    for table in schema.metadata.sorted_tables:
        there = {row[1] for row in connection.execute(f"PRAGMA main.table_xinfo({table.name})")}
        if not there >= {column.name for column in table.columns}:
            made = None if there else {"text": _TEXTS, "part": _PARTS}.get(table.name)
            old = made or _old_table(table, there)
            connection.execute(f"CREATE TEMP VIEW {table.name} AS {old}")
    for name, query in VIEWS.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {query}")


def _old_table(table: Table, there: Set[str]) -> str:
    columns = ", ".join(_old_columns(table, there))
    return f"SELECT rowid AS rowid, {columns} FROM main.{table.name}" if there else f"SELECT {columns} WHERE 0"


def _old_columns(table: Table, there: Set[str]) -> Iterator[str]:
    for column in table.columns:
        old = _former(column, there)
        yield f"{old} AS {column.name}"


def _former(column: Column[object], there: Set[str]) -> str:
    """What stands for a column there."""
    if column.name in there:
        return column.name
    for new, former in _FORMERLY.items():
        name = column.name.removesuffix(new) + former
        if column.name.endswith(new) and name in there:
            return name
    if column.nullable:
        return "NULL"
    return "0" if isinstance(column.type, Float | Integer) else "''"
