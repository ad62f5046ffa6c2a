"""`apportion serve`: a policy as a model, for any OpenAI client."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (
    Allow,
    AllowHost,
    CallsFile,
    CapPeriod,
    Capture,
    CapUnit,
    Compress,
    Grace,
    Host,
    KeyFile,
    Port,
    ReadyFile,
)

__all__ = ["command"]


def command(
    policy: Annotated[str, typer.Argument(help="Policy file of a search.", metavar="POLICY")],
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    cap: Annotated[
        float | None, typer.Option(help="Ceiling for all questions of a period together; without it they are counted.")
    ] = None,
    per_question: Annotated[float | None, typer.Option(help="Ceiling for each question, in the same unit.")] = None,
    unit: CapUnit = "tokens",
    period: CapPeriod = "none",
    keys: KeyFile = None,
    db: CallsFile = "apportion.db",
    allow: Allow = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where code of yours has changed since.")] = False,
    port: Port = 4001,
    host: Host = "127.0.0.1",
    allow_host: AllowHost = None,
    capture: Capture = "full",
    compress: Compress = False,
    grace: Grace = 30,
    json: ReadyFile = None,
) -> None:
    """Serve a policy to OpenAI's clients until Ctrl-C: as the model `policy`, `policy@0.2` for a place of its dial."""
    from pathlib import Path

    from ..budgets.cap import Cap
    from ..serving.keys import Keys
    from ..serving.policy_server import PolicyServer
    from ..stores.opening import open_store
    from .loading import admitted, check_pool, load_pool, positive
    from .run_policy import load_policy
    from .serve_ready import say_ready

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

        server.run(
            lambda: say_ready(
                server,
                f"policy {loaded.name} with {len(loaded.arms)} arms",
                models=names,
                keys=known,
                cap=limit,
                per_question=each,
                period=period,
                db=db,
                json=json,
            )
        )
    finally:
        store.close()
