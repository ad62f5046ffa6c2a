"""`apportion proxy`: any OpenAI client in front of a pool, under hard caps."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..errors import UsageError
from .options import AllowHost, Capture, Compress, Grace, KeyFile, ReadyFile
from .output import relay, say

__all__ = ["app"]

app = typer.Typer(help="Any OpenAI client in front of a pool, under hard caps.", invoke_without_command=True)


@app.callback()
def serve(
    context: typer.Context,
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    cap: Annotated[float | None, typer.Option(help="Ceiling for all calls of a period together.")] = None,
    unit: Annotated[Literal["tokens", "weighted", "usd"], typer.Option(help="Of the cap.")] = "tokens",
    period: Annotated[
        Literal["hour", "day", "month", "none"], typer.Option(help="How long the caps last, in UTC; none: for ever.")
    ] = "none",
    keys: KeyFile = None,
    db: Annotated[str, typer.Option(help="SQLite file that keeps every call, and counts.")] = "apportion.db",
    log_outcomes: Annotated[
        str | None, typer.Option(help="Append what was asked and answered, in the columns of `fit`.", metavar="FILE")
    ] = None,
    max_output: Annotated[
        int | None, typer.Option(min=1, help="Output cap of requests that name none; as the model's card if left out.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 4000,
    host: Annotated[str, typer.Option(help="An address; other than a loopback one only with --keys.")] = "127.0.0.1",
    allow_host: AllowHost = None,
    capture: Capture = "full",
    compress: Compress = False,
    grace: Grace = 30,
    json: ReadyFile = None,
) -> None:
    """Serve the models of a pool to OpenAI's clients until Ctrl-C, under a hard cap."""
    if context.invoked_subcommand is not None:
        return
    from json import dumps
    from pathlib import Path

    from ..budgets.cap import Cap
    from ..serving.keys import Keys
    from ..serving.proxy import ProxyServer
    from ..stores.opening import open_store
    from .loading import check_pool, load_pool, positive, write_json
    from .numbers import clients

    if cap is None:
        raise UsageError("say --cap: what all calls of a period may spend together, such as --cap 1e6")
    limit = Cap(total=positive("--cap", cap), unit=unit)
    pool = load_pool(models)
    known = None if keys is None else Keys.read(Path(keys), pool.names)
    check_pool(pool)
    store = open_store(db, durable=pool.costs_money, capture=capture, compress=compress)
    try:
        server = ProxyServer(
            pool,
            store,
            cap=limit,
            period=period,
            keys=known,
            outcomes=None if log_outcomes is None else Path(log_outcomes),
            max_output_tokens=max_output,
            host=host,
            port=port,
            allow_hosts=allow_host or (),
            grace_seconds=grace,
        )

        def ready() -> None:
            write_json(json, dumps({"base_url": server.base_url, "models": pool.names}, indent=2))
            most = clients(known, cap, unit, period)
            say(f"serving {', '.join(pool.names)} at {server.base_url} to {most} (Ctrl-C stops)")
            say(f"every call is kept in {db}", flush=True)

        server.run(ready)
    finally:
        store.close()


@app.command("new-key")
def new_key(
    name: Annotated[str, typer.Argument(help="Whose it is: letters, digits, '.', '_' and '-'.")],
) -> None:
    """Make a key: the table that admits it, for a key file, and on the error stream the key, which is kept nowhere."""
    from ..serving.keys import new_key

    key, table = new_key(name)
    say(table, flush=True)
    relay(f"the key, to be given to {name} and to nobody else: {key}\n")
