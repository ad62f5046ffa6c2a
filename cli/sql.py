"""`apportion sql`: a question of one's own to a database, which is only read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .asking import Database, reading
from .output import say

__all__ = ["command"]

_SHOWN = 200
"""How many characters of a cell are shown without --full."""
_TABLES = """
SELECT type, name, (SELECT group_concat(name, ', ') FROM pragma_table_info(found.name)) AS columns
FROM (SELECT type, name FROM sqlite_schema UNION SELECT type, name FROM sqlite_temp_schema) AS found
WHERE type IN ('table', 'view') GROUP BY name ORDER BY type DESC, name
"""


def command(
    query: Annotated[
        str | None, typer.Argument(help="One statement of SQL; the tables and views are listed if left out.")
    ] = None,
    db: Database = "apportion.db",
    full: Annotated[bool, typer.Option("--full", help="Show long texts in full.")] = False,
    json: Annotated[str | None, typer.Option(help="Write the rows to this file, whole.", metavar="FILE")] = None,
) -> None:
    """Ask a database with SQL; nothing in it can be changed. Files of older versions have the views of today too."""
    from .listing import answer_json, listing, records
    from .loading import write_json

    with reading(db) as store:
        answer = store.query(query or _TABLES)
    if answer.columns:
        lines = [[_cell(value, full or query is None) for value in row] for row in answer.rows]
        numbers = {
            column
            for place, column in enumerate(answer.columns)
            if answer.rows and all(isinstance(row[place], int | float) for row in answer.rows)
        }
        listing(answer.columns, lines, right=numbers)
    say(f"{len(answer.rows):,} {'row' if len(answer.rows) == 1 else 'rows'}")
    write_json(json, answer_json(records(answer)))


def _cell(value: Any, full: bool) -> str:
    from .listing import one_line

    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"({len(value):,} bytes)"
    text = one_line(str(value))
    return text if full or len(text) <= _SHOWN else f"{text[:_SHOWN]} ... ({len(text):,} characters)"
