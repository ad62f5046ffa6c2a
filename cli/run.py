"""`apportion run`: one question through a graph, under a plan and a cap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..graphs.run import Result

__all__ = ["command"]


def command(
    graph: Annotated[str, typer.Argument(help="MODULE:NAME of the graph, or path.py:NAME.", metavar="MODULE:GRAPH")],
    question: Annotated[str, typer.Argument(help="What to ask.")],
    plan: Annotated[str | None, typer.Option(help="Plan file, or the beginning of a plan's hash in --db.")] = None,
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    cap: Annotated[float | None, typer.Option(help="Ceiling for this run.")] = None,
    unit: Annotated[Literal["tokens", "weighted", "usd"], typer.Option(help="Of the cap.")] = "tokens",
    db: Annotated[str, typer.Option(help="SQLite file that keeps every call.")] = "apportion.db",
    json: Annotated[str | None, typer.Option(help="Write the result to this file.", metavar="FILE")] = None,
) -> None:
    """Answer one question. Without a plan, every open knob takes its first value."""
    from ..budgets.cap import Cap
    from ..graphs.portal import run_sync
    from ..stores.opening import open_store
    from .loading import find_plan, load_graph, load_pool, positive, program, write_json

    if not question:
        raise UsageError("the question is empty")
    limit = None if cap is None else Cap(per_task=positive("--cap", cap), unit=unit)
    pool = load_pool(models)
    loaded = load_graph(graph)
    run_sync(pool.check)
    store = open_store(db, durable=pool.costs_money)
    try:
        chosen = None if plan is None else find_plan(plan, store)
        result = loaded.run(question, chosen, pool=pool, cap=limit, store=store)
        reasons = [span.reason for span in store.spans(result.run_id) if span.reason]
    finally:
        store.close()
    print(result.answer or f"no answer: {reasons[-1] if reasons else result.stop_reason}")
    print(f"{result.status.value}: {result.charged.tokens:,} tokens charged, {result.lost.tokens:,} lost")
    print(f"next:\n  {program()} show {result.run_id[:8]} --db {db}")
    write_json(json, _to_json(result))


def _to_json(result: Result) -> str:
    import json

    from .encoding import amount_fields

    return json.dumps(
        {
            "run_id": result.run_id,
            "task_id": result.task_id,
            "status": result.status.value,
            "stop_reason": result.stop_reason,
            "answer": result.answer,
            "charged": amount_fields(result.charged),
            "lost": amount_fields(result.lost),
            "latency": result.latency,
        },
        indent=2,
        ensure_ascii=False,
    )
