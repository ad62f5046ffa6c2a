"""What `fit` and `simulate` have in common: how a file of outcomes is named and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Columns, columns_by_ours
from .output import complain, say

if TYPE_CHECKING:
    from ..optimizers.tables.table import Table

__all__ = ["Columns", "DropIncomplete", "Outcomes", "SetAside", "Unit", "load", "options"]

Outcomes = Annotated[
    str,
    typer.Option(
        help="Parquet, CSV or JSONL with the columns question, arm, score and cost, and perhaps sample, text, family, "
        "confidence, answer, abstained, thinking_tokens, output_tokens, cluster_id, model, setting.",
        metavar="FILE",
    ),
]
DropIncomplete = Annotated[bool, typer.Option(help="Leave out questions that some arm has no outcome for.")]
SetAside = Annotated[
    float,
    typer.Option(help="The share of questions, chosen by their names, that fit leaves to simulate."),
]
Unit = Annotated[Literal["tokens", "weighted", "usd"], typer.Option(help="Of the costs.")]


def load(path: str, columns: list[str] | None, drop: bool, unit: Literal["tokens", "weighted", "usd"]) -> Table:
    """Reads a table and says what was done to it.

    Raises:
        UsageError: it cannot be read, or a column is not named as OURS=THEIRS.
    """
    from shlex import quote

    from ..optimizers.tables.log_file import load_outcomes
    from ..optimizers.tables.split import shuffled

    found = load_outcomes(path, columns=columns_by_ours(columns), incomplete="drop" if drop else "refuse", unit=unit)
    others = [name for name, meant in found.unread if not meant]
    if others:
        say(f"not read columns {', '.join(others)}")
    for name, meant in found.unread:
        if meant:
            complain(f"warning: column {name!r} is not read; if it is {meant!r}, say --column {meant}={quote(name)}")
    if found.dropped:
        say(f"dropped  {found.dropped:,} questions that lack an outcome of some arm")
    for arm, family in found.absent:
        say(f"absent   {arm} was not run on family {family!r}, and is not chosen there")
    if not found.texts:
        complain(
            "warning: there is no text of the questions, so they are told apart by their families alone; "
            "name its column: --column text=NAME"
        )
    if found.repeated:
        replicates = found.table.scores.shape[2]
        say(f"repeated samples of {found.repeated:,} pairs of question and arm with fewer than {replicates}")
    return shuffled(found.table)


def options(columns: list[str] | None, drop: bool, unit: Literal["tokens", "weighted", "usd"], set_aside: float) -> str:
    """These options as one types them again, where they are not as usual."""
    from shlex import join

    words = [word for pair in columns or () for word in ("--column", pair)]
    words += ["--drop-incomplete"] if drop else []
    words += ["--set-aside", f"{set_aside:g}"] if set_aside else []
    words += ["--unit", unit] if unit != "tokens" else []
    return join(words)
