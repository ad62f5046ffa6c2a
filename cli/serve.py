"""`apportion serve`: a policy as a model, for any OpenAI client."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .options import Allow, AllowHost, Capture, Compress, Grace, KeyFile, ReadyFile
from .output import say

__all__ = ["command"]


def command(
    policy: Annotated[str, typer.Argument(help="Policy file of a search.", metavar="POLICY")],
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    cap: Annotated[
        float | None, typer.Option(help="Ceiling for all questions of a period together; without it they are counted.")
    ] = None,
    per_question: Annotated[float | None, typer.Option(help="Ceiling for each question, in the same unit.")] = None,
    unit: Annotated[Literal["tokens", "weighted", "usd"], typer.Option(help="Of the caps.")] = "tokens",
    period: Annotated[
        Literal["hour", "day", "month", "none"], typer.Option(help="How long --cap lasts, in UTC; none: for ever.")
    ] = "none",
    keys: KeyFile = None,
    db: Annotated[str, typer.Option(help="SQLite file that keeps every run, and counts.")] = "apportion.db",
    allow: Allow = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where code of yours has changed since.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 4001,
    host: Annotated[str, typer.Option(help="An address; other than a loopback one only with --keys.")] = "127.0.0.1",
    allow_host: AllowHost = None,
    capture: Capture = "full",
    compress: Compress = False,
    grace: Grace = 30,
    json: ReadyFile = None,
) -> None:
    """Serve a policy to OpenAI's clients until Ctrl-C: as the model `policy`, `policy@0.2` for a place of its dial."""
    from json import dumps
    from pathlib import Path

    from ..budgets.cap import Cap
    from ..serving.keys import Keys
    from ..serving.policy_server import PolicyServer
    from ..stores.opening import open_store
    from .loading import admitted, check_pool, load_pool, positive, write_json
    from .numbers import clients, number
    from .run_policy import load_policy

    limit = None if cap is None else Cap(total=positive("--cap", cap), unit=unit)
    each = None if per_question is None else Cap(per_task=positive("--per-question", per_question), unit=unit)
    pool = load_pool(models)
    loaded = load_policy(policy, pool, admitted(allow), strict=strict)
    names = ("policy", *(f"arm/{arm.name}" for arm in loaded.arms))
    known = None if keys is None else Keys.read(Path(keys), names)
    check_pool(pool)
    store = open_store(db, durable=pool.costs_money, capture=capture, compress=compress)
    try:
        server = PolicyServer(
            loaded,
            store,
            cap=limit,
            per_question=each,
            period=period,
            keys=known,
            host=host,
            port=port,
            allow_hosts=allow_host or (),
            grace_seconds=grace,
        )

        def ready() -> None:
            write_json(json, dumps({"base_url": server.base_url, "models": names}, indent=2))
            most = clients(known, cap, unit, period)
            if per_question is not None:
                most += f", {number(per_question)} {unit} a question"
            arms = f"{len(loaded.arms)} arms"
            say(f"serving policy {loaded.name} with {arms} at {server.base_url} to {most} (Ctrl-C stops)")
            say(f"every call is kept in {db}", flush=True)

        server.run(ready)
    finally:
        store.close()
