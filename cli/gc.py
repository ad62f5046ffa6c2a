"""`apportion gc`: discards old runs from a database, and gives their room back to the disk."""

from __future__ import annotations

import json as json_format
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .asking import Database
from .output import say

__all__ = ["command"]

_SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


def command(
    keep: Annotated[
        str, typer.Option(help="How long back runs are kept: hours, days or weeks, as 12h, 30d, 8w.", metavar="TIME")
    ],
    db: Database = "apportion.db",
    replies: Annotated[
        bool, typer.Option("--replies", help="Discard cached replies too; what needs them is paid for again.")
    ] = False,
    json: Annotated[str | None, typer.Option(help="Write what went to this file.", metavar="FILE")] = None,
) -> None:
    """Discard runs that ended longer ago, with their spans, calls and texts; what studies found stays."""
    from ..stores.discarding import discard
    from .loading import write_json

    went = discard(Path(db), time.time() - _seconds(keep), replies=replies)
    told = [f"{number:,} {what}" for what, number in went.rows.items() if number]
    say(f"discarded from {db}: {', '.join(told) or 'nothing'}")
    say(f"{went.bytes_before / 1e6:,.1f} MB before, {went.bytes_after / 1e6:,.1f} MB now")
    if went.kept_replies:
        say(f"{went.kept_replies:,} cached replies as old are kept: none is paid for twice; --replies discards them")
    counts = {"rows": went.rows, "bytes_before": went.bytes_before, "bytes_after": went.bytes_after}
    write_json(json, json_format.dumps(counts, indent=2))


def _seconds(keep: str) -> float:
    """The seconds of a time as people write it.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d{1,6})([hdw])", keep.strip(), re.ASCII)
    if found is None:
        raise UsageError(f"--keep {keep}: write a number of hours, days or weeks, for example 12h, 30d or 8w")
    return int(found[1]) * _SECONDS[found[2]]
