"""`apportion runs`: the runs in a database, newest first."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from .asking import Database, OfFamily, OfPlan, OfStudy, reading, with_whole_names
from .output import say

__all__ = ["command"]

_COLUMNS = ("run", "ended", "plan", "status", "stop", "score", "tokens")


def command(
    db: Database = "apportion.db",
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 20,
    study: OfStudy = None,
    plan: OfPlan = None,
    status: Annotated[str | None, typer.Option(help="Only with this status, such as ok or parse_error.")] = None,
    family: OfFamily = None,
    question: Annotated[str | None, typer.Option(help="Only of questions with this text in them.")] = None,
    json: Annotated[str | None, typer.Option(help="Write them to this file.", metavar="FILE")] = None,
) -> None:
    """List the runs of a database."""
    from ..stores.questions import RunFilter, matching_runs
    from .encoding import rows_to_json
    from .listing import listing, moment
    from .loading import program, write_json

    asked = RunFilter(study=study, plan=plan, status=_checked(status), family=family, question=question)
    with reading(db) as store:
        query = matching_runs(with_whole_names(asked, store), limit)
        found = store.query(query.sql, query.parameters).rows
        rows = store.runs_of([run_id for run_id, _, _ in found])
    told = [part or "" for _, part, _ in found]
    # Room is short, so the part stands there only where some run belongs to one.
    columns = (*_COLUMNS, "part") if any(told) else _COLUMNS
    lines = [
        (
            row.run_id[:8],
            moment(row.ended_at, "%d %H:%M:%S"),
            row.plan_hash[:8],
            row.status.value,
            row.stop_reason,
            "-" if row.score is None else f"{row.score:.2f}",
            f"{tokens:,}",
            *([part] if any(told) else []),
            row.answer or row.reason,
        )
        for row, part, (_, _, tokens) in zip(rows, told, found, strict=True)
    ]
    said = "".join(f", --{name} {value}" for name, value in asked.named.items())
    say(f"the newest {len(rows)} runs in {db}{said}")
    listing((*columns, "answer"), lines, right=("score", "tokens"), texts=1)
    if rows:
        say(f"next:\n  {program()} show {rows[0].run_id[:8]} --db {db}")
    write_json(json, rows_to_json(rows, told))


def _checked(status: str | None) -> str | None:
    """The status, if it is one.

    Raises:
        UsageError: it is none.
    """
    from ..records.status import Status

    names = [each.value for each in Status]
    if status is not None and status not in names:
        raise UsageError(f"--status {status}: there is no such status; there are {', '.join(names)}")
    return status
