"""`apportion stats`: tokens and score by node, model and plan."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from .asking import Database, OfFamily, OfPart, OfPlan, OfStudy, reading, with_whole_names
from .output import say

__all__ = ["command"]

_NUMBERS = ("runs", "score", "calls", "cached", "input", "output", "tokens", "share", "USD")


def command(
    by: Annotated[
        str, typer.Option(help="What to count by, with commas: node, model, plan, family, part.", metavar="NAMES")
    ] = "node,model,plan",
    study: OfStudy = None,
    plan: OfPlan = None,
    family: OfFamily = None,
    part: OfPart = None,
    db: Database = "apportion.db",
    limit: Annotated[int, typer.Option(help="How many lines.", min=1)] = 20,
    json: Annotated[str | None, typer.Option(help="Write all of them to this file.", metavar="FILE")] = None,
) -> None:
    """Say where the tokens went: charged and lost ones, by node, model and plan, with the mean score of the runs."""
    from ..stores.questions import RunFilter, tokens_by, verdicts
    from .listing import answer_json, count, listing, records, share
    from .loading import write_json

    names = _names(by)
    with reading(db) as store:
        which = with_whole_names(RunFilter(study=study, plan=plan, family=family, part=part), store)
        asked = tokens_by(names, which)
        found = records(store.query(asked.sql, asked.parameters))
        judged = verdicts(which)
        ((number, spent, _),) = store.query(judged.sql, judged.parameters).rows
    total = sum(row["tokens"] for row in found)
    lines = [
        (
            *(_name(name, row[name]) for name in names),
            count(row["runs"]),
            share(row["score"]),
            count(row["calls"]),
            count(row["cached_calls"]),
            count(row["input_tokens"]),
            count(row["output_tokens"]),
            count(row["tokens"]),
            f"{row['tokens'] / total:.0%}" if total else "-",
            f"{row['usd']:.4f}",
        )
        for row in found[:limit]
    ]
    apart = "node" not in names and number
    say(f"{total:,} tokens in {db}, cached replies included, by {', '.join(names)}")
    listing((*names, *_NUMBERS), lines, right=_NUMBERS)
    if apart:
        told = f"{number:,} {'verdict' if number == 1 else 'verdicts'} of a judge for {spent:,} tokens"
        say(f"beside that: {told}, which --by node counts as a node of its own")
    if len(found) > limit:
        say(f"and {len(found) - limit:,} more; --limit shows more, --by fewer names adds up")
    write_json(json, answer_json(found))


def _names(by: str) -> list[str]:
    from ..stores.questions import COUNTED_BY

    names = [name.strip() for name in by.split(",")]
    for name in names:
        if name not in COUNTED_BY or names.count(name) > 1:
            raise UsageError(f"--by {by}: write some of {', '.join(COUNTED_BY)}, each once, with commas between them")
    return names


def _name(name: str, value: object) -> object:
    return "-" if value is None else str(value)[:8] if name == "plan" else value
