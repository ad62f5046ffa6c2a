"""`apportion tokens`: get an encoding's ranks, so that prompts are bounded by exact counts instead of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import say

__all__ = ["app"]

app = typer.Typer(
    help="Ranks of tiktoken's encodings; nothing is downloaded unless asked for here.", no_args_is_help=True
)


JsonFile = Annotated[str | None, typer.Option(help="Write what came of it to this file.", metavar="FILE")]


@app.command("fetch")
def fetch(
    encoding: Annotated[str, typer.Argument(help="For example o200k_base.")],
    seconds: Annotated[float, typer.Option(help="How long the download may take.")] = 120.0,
    json: JsonFile = None,
) -> None:
    """Download the ranks of an encoding into tiktoken's cache."""
    from ..models.token_ranks import fetch_ranks

    path = fetch_ranks(encoding, seconds=seconds)
    say(str(path))
    _write(json, {encoding: str(path)})


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A copy of a ranks file, by any name; its hash says which it is.")],
    json: JsonFile = None,
) -> None:
    """Put a ranks file that you have into tiktoken's cache."""
    from ..models.token_ranks import find_ranks, import_ranks

    encodings = import_ranks(file)
    say(f"serves {', '.join(encodings)}")
    _write(json, {encoding: str(find_ranks(encoding)) for encoding in encodings})


@app.command("list")
def list_encodings(json: JsonFile = None) -> None:
    """Show which encodings have their ranks at hand."""
    from ..models.token_ranks import RANKS, find_ranks

    paths = {encoding: find_ranks(encoding) for encoding in RANKS}
    for encoding, path in paths.items():
        say(f"{encoding:<16}{path or 'not at hand: prompts are bounded by bytes'}")
    _write(json, {encoding: None if path is None else str(path) for encoding, path in paths.items()})


def _write(json: str | None, paths: dict[str, str | None] | dict[str, str]) -> None:
    from json import dumps

    from .loading import write_json

    write_json(json, dumps(paths, indent=2))
