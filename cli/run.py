"""`apportion run`: one question through a graph, under a plan and a cap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import UsageError
from .options import Allow, Capture, Compress
from .output import say

if TYPE_CHECKING:
    from ..graphs.result import Result

__all__ = ["command"]


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="The graph, MODULE:NAME or path.py:NAME, which --policy makes needless; then what to ask.",
            metavar="[MODULE:GRAPH] QUESTION",
        ),
    ] = None,
    plan: Annotated[str | None, typer.Option(help="Plan file, or the beginning of a plan's hash in --db.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="Policy file of a search; it has its graph and picks the plan.", metavar="FILE")
    ] = None,
    dial: Annotated[
        float | None, typer.Option(help="With --policy: from 0, the cheapest, to 1; as searched if left out.")
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--in", help="With --policy and --out: a file of questions, JSONL, CSV or Parquet.", metavar="FILE"
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(help="Where their answers go, a line each; the same command again goes on there.", metavar="FILE"),
    ] = None,
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    cap: Annotated[
        float | None, typer.Option(help="Ceiling for this run; with --in for all questions together.")
    ] = None,
    per_task: Annotated[
        float | None, typer.Option(help="With --in: ceiling for each question, which an app needs.")
    ] = None,
    unit: Annotated[Literal["tokens", "weighted", "usd"], typer.Option(help="Of the cap.")] = "tokens",
    db: Annotated[str, typer.Option(help="SQLite file that keeps every call.")] = "apportion.db",
    capture: Capture = "full",
    compress: Compress = False,
    allow: Allow = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --policy: refuse where code of yours has changed since.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(help="Write the result to this file, the answer as it came.", metavar="FILE")
    ] = None,
) -> None:
    """Answer one question: by a graph under a plan (every knob's first value if left out), or by a policy.

    A policy also answers a file of questions (--in, --out) under one cap.

    Where there is no answer, the exit code is 5, and what is printed says why.
    """
    from ..budgets.cap import Cap
    from ..stores.opening import open_store
    from .loading import check_pool, find_plan, load_graph, load_pool, positive, program, write_json
    from .plan_checks import check_models, check_plan_is_somewhere
    from .run_policy import NO_ANSWER, run_policy

    if questions is not None or out is not None:
        _run_batch(
            words,
            plan,
            policy,
            dial,
            questions,
            out,
            models,
            cap,
            per_task,
            unit,
            db,
            allow,
            strict=strict,
            json=json,
            capture=capture,
            compress=compress,
        )
        return
    if per_task is not None:
        raise UsageError("--per-task is for a file of questions, --in; the ceiling for one question is --cap")
    graph, question = _graph_and_question(words or [], plan, policy, dial)
    limit = None if cap is None else Cap(per_task=positive("--cap", cap), unit=unit)
    pool = load_pool(models)
    if policy is not None:
        run_policy(
            policy,
            dial,
            question,
            pool,
            limit,
            db,
            json,
            allow or (),
            strict=strict,
            capture=capture,
            compress=compress,
        )
        return
    loaded = load_graph(graph)
    check_pool(pool)
    check_plan_is_somewhere(plan, db)
    store = open_store(db, durable=pool.costs_money, capture=capture, compress=compress)
    try:
        chosen = None if plan is None else find_plan(plan, store)
        check_models(loaded, chosen, pool)
        result = loaded.run(question, chosen, pool=pool, cap=limit, store=store)
        # Before the store is closed: that may fail, and what was paid for is told all the same.
        try:
            say(result.answer or f"no answer: {result.reason or result.stop_reason}")
            say(f"{result.status.value}: {result.charged.tokens:,} tokens charged, {result.lost.tokens:,} lost")
            say(f"next:\n  {program()} show {result.run_id[:8]} --db {db}")
        finally:
            write_json(json, _to_json(result))
    finally:
        store.close()
    if not result.answer:
        raise typer.Exit(NO_ANSWER)


def _run_batch(
    words: list[str] | None,
    plan: str | None,
    policy: str | None,
    dial: float | None,
    questions: str | None,
    out: str | None,
    models: str | None,
    cap: float | None,
    per_task: float | None,
    unit: Literal["tokens", "weighted", "usd"],
    db: str,
    allow: list[str] | None,
    *,
    strict: bool,
    json: str | None,
    capture: Capture,
    compress: Compress,
) -> None:
    from ..budgets.cap import Cap
    from .loading import load_pool, positive
    from .run_batch import run_batch

    if policy is None or questions is None or out is None or cap is None:
        raise UsageError("a file of questions needs all of --policy FILE --in FILE --out FILE --cap N")
    if words or plan is not None or dial is not None or json is not None:
        raise UsageError(
            "with --in there is no question, graph, --plan, --dial or --json: the cap decides, --out has it"
        )
    each = None if per_task is None else positive("--per-task", per_task)
    limit = Cap(total=positive("--cap", cap), per_task=each, unit=unit)
    pool = load_pool(models)
    run_batch(policy, questions, out, pool, limit, db, allow or (), strict=strict, capture=capture, compress=compress)


def _graph_and_question(words: list[str], plan: str | None, policy: str | None, dial: float | None) -> tuple[str, str]:
    """What stands before the options; a policy needs no graph.

    Raises:
        UsageError: something is missing or too much, or options do not go together.
    """
    if policy is None and dial is not None:
        raise UsageError("--dial moves a policy; give one with --policy")
    if policy is not None and plan is not None:
        raise UsageError("a policy picks the plan itself; leave out --plan")
    wanted = "run MODULE:GRAPH QUESTION" if policy is None else "run --policy FILE QUESTION"
    if len(words) != (2 if policy is None else 1):
        raise UsageError(f"write: {wanted}; a question of several words needs quotation marks around it")
    if not words[-1]:
        raise UsageError("the question is empty")
    return words[0], words[-1]


def _to_json(result: Result) -> str:
    import json

    from .encoding import amount_fields

    return json.dumps(
        {
            "run_id": result.run_id,
            "task_id": result.task_id,
            "status": result.status.value,
            "stop_reason": result.stop_reason,
            "reason": result.reason,
            "answer": result.answer,
            "data": result.data,
            "charged": amount_fields(result.charged),
            "lost": amount_fields(result.lost),
            "latency": result.latency,
        },
        indent=2,
        ensure_ascii=False,
    )
