"""`apportion models`: the models of a pool and what is known of them."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["command"]


def command(
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each endpoint whether it answers; costs no tokens.")
    ] = False,
    json: Annotated[str | None, typer.Option(help="Write the cards to this file.", metavar="FILE")] = None,
) -> None:
    """List the models of a pool."""
    from json import dumps

    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from ..graphs.portal import run_sync
    from .loading import load_pool, write_json

    pool = load_pool(models)
    if check:
        run_sync(pool.check)
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("name", "kind", "dialect", "context", "output", "weight", "USD per million"):
        table.add_column(column, no_wrap=True)
    for card in pool.cards:
        table.add_row(
            card.name,
            card.kind,
            card.dialect,
            f"{card.context_tokens:,}",
            f"{card.max_output_tokens:,}",
            f"{card.weight:g}",
            f"{card.input_usd_per_million:g} in, {card.output_usd_per_million:g} out",
        )
    Console().print(table)
    if check:
        print("all endpoints answer")
    write_json(json, dumps([card.model_dump(mode="json") for card in pool.cards], indent=2))
