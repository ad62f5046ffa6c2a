"""`apportion studies`: the studies in a database, what each found and what it cost."""

from __future__ import annotations

from typing import Annotated

import typer

from .asking import Database, reading
from .output import say

__all__ = ["command"]


def command(
    db: Database = "apportion.db",
    json: Annotated[str | None, typer.Option(help="Write them to this file.", metavar="FILE")] = None,
) -> None:
    """List the studies of a database, newest first: what was tried, the best on validation, and what was paid."""
    from ..stores.questions import STUDIES
    from .listing import answer_json, count, listing, moment, records, share
    from .loading import program, write_json
    from .numbers import number

    with reading(db) as store:
        found = records(store.query(STUDIES))
    lines = [
        (
            study["study_id"][:8],
            moment(study["created_at"], "%Y-%m-%d %H:%M"),
            study["state"],
            count(study["plans"]),
            count(study["runs"]),
            share(study["best_on_validation"]),
            count(study["paid_tokens"]),
            "-" if study["paid_usd"] is None else f"{study['paid_usd']:.4f}",
            "-" if study["spend"] is None else f"{number(study['used'])} of {number(study['spend'])} {study['unit']}",
            count(study["test_reads"]),
        )
        for study in found
    ]
    columns = ("study", "began", "state", "plans", "runs", "best", "paid tokens", "paid USD", "spend", "test reads")
    say(f"{len(found)} {'study' if len(found) == 1 else 'studies'} in {db}; best: score on validation")
    listing(columns, lines, right=("plans", "runs", "best", "paid tokens", "paid USD", "test reads"))
    if found:
        say(f"next:\n  {program()} stats --study {found[0]['study_id'][:8]} --db {db}")
    write_json(json, answer_json(found))
