"""`apportion tokens`: get an encoding's ranks, so that prompts are bounded by exact counts instead of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Ranks of tiktoken's encodings; nothing is downloaded unless asked for here.", no_args_is_help=True
)


@app.command("fetch")
def fetch(
    encoding: Annotated[str, typer.Argument(help="For example o200k_base.")],
    seconds: Annotated[float, typer.Option(help="How long the download may take.")] = 120.0,
) -> None:
    """Download the ranks of an encoding into tiktoken's cache."""
    from ..models.token_ranks import fetch_ranks

    print(fetch_ranks(encoding, seconds=seconds))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A copy of a ranks file, by any name; its hash says which it is.")],
) -> None:
    """Put a ranks file that you have into tiktoken's cache."""
    from ..models.token_ranks import import_ranks

    print(f"serves {', '.join(import_ranks(file))}")


@app.command("list")
def list_encodings() -> None:
    """Show which encodings have their ranks at hand."""
    from ..models.token_ranks import RANKS, find_ranks

    for encoding in RANKS:
        print(f"{encoding:<16}{find_ranks(encoding) or 'not at hand: prompts are bounded by bytes'}")
