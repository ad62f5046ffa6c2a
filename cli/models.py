"""`apportion models`: the models of a pool, what is known of them, and what their endpoints say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import models_add
from .numbers import charge
from .output import cell, say

if TYPE_CHECKING:
    from ..models.card import ModelCard
    from ..models.checking import ModelCheck
    from ..models.pool import Pool
    from ..models.probing import Probe
    from ..records.protocols import FactBook

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True)
app.command("add")(models_add.command)


@app.callback()
def command(
    context: typer.Context,
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look each model up and ask it for 16 tokens: is it there, is its cap kept?"),
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Find out by a dozen short calls what each endpoint can do, as lines for the pool."
        ),
    ] = False,
    db: Annotated[
        str | None,
        typer.Option(
            help="SQLite file: keeps what --probe finds for 7 days; a breach is lifted where --check is passed."
        ),
    ] = None,
    json: Annotated[str | None, typer.Option(help="Write the cards to this file.", metavar="FILE")] = None,
) -> None:
    """List the models of a pool, or add one."""
    if context.invoked_subcommand is not None:
        return
    from contextlib import nullcontext

    from ..errors import PoolError
    from ..stores.opening import open_store
    from .loading import load_pool, write_json

    pool = load_pool(models)
    _print_cards(pool)
    checks: Mapping[str, ModelCheck] = {}
    probes: Mapping[str, Probe] = {}
    if check or probe:
        with open_store(db) if db is not None else nullcontext() as store:
            checks, probes = _ask(pool, store, probe)
    cards = [card.model_dump(mode="json") | _found(card.name, checks, probes) for card in pool.cards]
    write_json(json, dumps(cards, indent=2))
    faults = [f"model {name!r}, {fault}" for name, found in checks.items() for fault in found.faults]
    if faults:
        raise PoolError("\n".join(faults))


def _print_cards(pool: Pool) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("name", "kind", "dialect", "context", "output", "weight", "USD per million"):
        table.add_column(column, no_wrap=True)
    for card in pool.cards:
        table.add_row(
            cell(card.name),
            card.kind,
            cell(card.dialect),
            f"{card.context_tokens:,}",
            f"{card.max_output_tokens:,}",
            f"{card.weight:g}",
            _prices(card),
        )
    Console().print(table)


def _prices(card: ModelCard) -> str:
    cached = card.cached_input_usd_per_million
    read = f"{card.input_usd_per_million:g} in" + ("" if cached is None else f" ({cached:g} cached)")
    return f"{read}, {card.output_usd_per_million:g} out"


def _ask(pool: Pool, facts: FactBook | None, probe: bool) -> tuple[Mapping[str, ModelCheck], Mapping[str, Probe]]:
    """Calls the endpoints, and prints what they say and what it cost."""
    from ..graphs.portal import run_sync
    from ..models.checking import check_models
    from ..models.probing import probe_models
    from ..records.usage import ZERO

    checks = run_sync(check_models, pool, facts)
    for name, found in checks.items():
        for line in found.said:
            say(f"{name}: {line}")
    total = sum((found.charged for found in checks.values()), ZERO)
    say(f"checked {len(checks)} {'model' if len(checks) == 1 else 'models'} behind endpoints for {charge(total)}")
    if not probe:
        return checks, {}
    probes = run_sync(probe_models, pool, [name for name, found in checks.items() if not found.faults], facts)
    for name, seen in probes.items():
        day = datetime.fromtimestamp(seen.found_at)
        say(f"\n[models.{dumps(name)}]  # found out on {day:%d %B %Y} for {seen.tokens:,} tokens")
        say("\n".join(seen.lines))
    return checks, probes


def _found(name: str, checks: Mapping[str, ModelCheck], probes: Mapping[str, Probe]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if name in checks:
        found["check"] = {"said": checks[name].said, "faults": checks[name].faults}
    if name in probes:
        found["probe"] = {"lines": probes[name].lines, "found_at": probes[name].found_at}
    return found
