"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..errors import UsageError

__all__ = [
    "Allow",
    "AllowHost",
    "CallsFile",
    "CapPeriod",
    "CapUnit",
    "Capture",
    "Columns",
    "Compress",
    "Grace",
    "Host",
    "KeyFile",
    "Port",
    "ReadyFile",
    "WrongCosts",
    "columns_by_ours",
]

Allow = Annotated[
    list[str] | None,
    typer.Option(
        help="A module that files may name, with all below it, or a command that they may start: mcp:COMMAND, an MCP "
        "server's, or app:COMMAND, an app's; may be repeated.",
        metavar="MODULE",
    ),
]

Capture = Annotated[
    Literal["full", "hash", "none"],
    typer.Option(
        help="What the database keeps of what is asked and answered: all, hashes and sizes, or nothing; only with full "
        "are replies kept for later calls."
    ),
]

Compress = Annotated[
    bool, typer.Option("--compress", help="Keep long texts compressed, where no SQL can read them: half the size.")
]

AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="A name besides the loopback ones under which it may be asked; can be repeated.", metavar="NAME"),
]

KeyFile = Annotated[
    str | None, typer.Option(help="Key file (TOML); without one anybody on this machine may ask.", metavar="FILE")
]

CapUnit = Annotated[Literal["tokens", "weighted", "usd"], typer.Option(help="Of the caps.")]

CapPeriod = Annotated[
    Literal["hour", "day", "month", "none"],
    typer.Option(help="How long --cap and the caps of keys last, in UTC; none: for ever."),
]

CallsFile = Annotated[str, typer.Option(help="SQLite file that keeps every call, and counts.")]

Port = Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")]

Host = Annotated[str, typer.Option(help="An address; other than a loopback one only with --keys.")]

Grace = Annotated[
    int, typer.Option(min=0, help="Seconds that requests in flight may take after a stop; then they are lost.")
]

ReadyFile = Annotated[
    str | None, typer.Option(help="Write the URL and the models to this file when it listens.", metavar="FILE")
]

Columns = Annotated[
    list[str] | None,
    typer.Option(
        help="What the file calls a column, such as question=query_id; may be repeated.", metavar="OURS=THEIRS"
    ),
]

WrongCosts = Annotated[
    float,
    typer.Option(
        help="What a wrong answer costs, where a right one brings 1 and none brings 0; above 0, answers that are not "
        "sure enough are withheld.",
        metavar="X",
    ),
]


def columns_by_ours(columns: list[str] | None) -> dict[str, str]:
    """The pairs of `--column`: by our name, theirs.

    Raises:
        UsageError: one is not written OURS=THEIRS, or one of our names is there twice.
    """
    found: dict[str, str] = {}
    for pair in columns or ():
        ours, _, theirs = pair.partition("=")
        if not ours or not theirs:
            raise UsageError(f"--column {pair}: write OURS=THEIRS, for example question=query_id")
        if ours in found:
            raise UsageError(f"--column {pair}: {ours!r} is {found[ours]!r} already; name it once")
        found[ours] = theirs
    return found
