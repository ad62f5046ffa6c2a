"""`apportion runs`: the runs in a database, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from .output import cell, say

__all__ = ["command"]

_COLUMNS = ("run", "ended", "plan", "status", "stop", "score", "tokens")


def command(
    db: Annotated[str, typer.Option(help="SQLite file.")] = "apportion.db",
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 20,
    json: Annotated[str | None, typer.Option(help="Write them to this file.", metavar="FILE")] = None,
) -> None:
    """List the runs of a database."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from ..stores.opening import open_store
    from .encoding import rows_to_json
    from .loading import program, write_json

    store = open_store(db, read_only=True)
    try:
        rows = store.runs(limit=limit)
        trials = [trial for study in store.studies() for trial in store.trials(study.study_id)]
    finally:
        store.close()
    parts = {trial.trial_id: trial.part for trial in trials}
    told = [parts.get(row.trial_id or "", "") for row in rows]
    # Room is short, so the part stands there only where some run belongs to one.
    columns = (*_COLUMNS, "part") if any(told) else _COLUMNS
    console = Console()
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for column in (*columns, "answer"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("score", "tokens") else "left")
    cells = [
        (
            row.run_id[:8],
            f"{datetime.fromtimestamp(row.ended_at):%d %H:%M:%S}",
            row.plan_hash[:8],
            row.status.value,
            row.stop_reason,
            "-" if row.score is None else f"{row.score:.2f}",
            f"{row.charged.tokens:,}",
            *([part] if any(told) else []),
        )
        for row, part in zip(rows, told, strict=True)
    ]
    taken = sum(2 + max(map(len, column)) for column in zip(columns, *cells, strict=True))
    room = max(6, min(40, console.width - taken - 2))
    for row, shown in zip(rows, cells, strict=True):
        table.add_row(*map(cell, shown), cell(" ".join((row.answer or row.reason).split())[:room]))
    say(f"the newest {len(rows)} runs in {db}")
    console.print(table)
    if rows:
        say(f"next:\n  {program()} show {rows[0].run_id[:8]} --db {db}")
    write_json(json, rows_to_json(rows, told))
