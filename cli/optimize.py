"""`apportion optimize`: find the plans of a graph that score best for what they cost."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..budgets.cap import Cap
    from ..graphs.graph import Graph
    from ..models.pool import Pool
    from ..optimizers.study.report import StudyReport
    from ..records.protocols import StudyStore
    from ..records.task import Task

__all__ = ["command", "next_steps", "save_policy", "search"]

Unit = Literal["tokens", "weighted", "usd"]


def command(
    graph: Annotated[str, typer.Argument(help="MODULE:NAME of the graph, or path.py:NAME.", metavar="MODULE:GRAPH")],
    tasks: Annotated[str, typer.Option(help="The dev set, JSONL or CSV.")],
    cap: Annotated[float, typer.Option(help="Ceiling for answering all tasks of the dev set.")],
    spend: Annotated[float, typer.Option(help="The most that the search itself may pay.")],
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    per_task: Annotated[float | None, typer.Option(help="Ceiling for each task.")] = None,
    unit: Annotated[Unit, typer.Option(help="Of cap and spend.")] = "tokens",
    db: Annotated[str, typer.Option(help="SQLite file that keeps every call.")] = "apportion.db",
    metric: Annotated[
        str,
        typer.Option(help="auto (by task), exact, numeric, choice, token_f1, set, constraints, or MODULE:FUNCTION."),
    ] = "auto",
    optimizer: Annotated[
        str, typer.Option(help="racing; or tpe, random, coordinate, halving-plain, exhaustive.")
    ] = "racing",
    seed: Annotated[int, typer.Option(help="Of the split, the order and the random plans.", min=0)] = 0,
    policies: Annotated[
        str | None, typer.Option(help="Policies to compare, by comma; none to leave them out.", metavar="NAMES")
    ] = None,
    policy_out: Annotated[
        str | None, typer.Option(help="Write the chosen policy to this file, for `run --policy`.", metavar="FILE")
    ] = None,
    json: Annotated[str | None, typer.Option(help="Write the report to this file.", metavar="FILE")] = None,
) -> None:
    """Search a graph's plans on a dev set, under a hard cap. Started again, it goes on where it stopped."""
    from ..budgets.cap import Cap
    from ..tasks.devset import load_tasks
    from .loading import load_graph, load_pool, positive, write_json

    report = search(
        load_graph(graph),
        load_tasks(tasks),
        load_pool(models),
        cap=Cap(
            total=positive("--cap", cap),
            per_task=None if per_task is None else positive("--per-task", per_task),
            unit=unit,
        ),
        spend=positive("--spend", spend),
        db=db,
        metric=metric,
        seed=seed,
        optimizer=optimizer,
        policies=policies,
    )
    write_json(json, report.model_dump_json(indent=2))
    saved = save_policy(report, policy_out)
    next_steps(graph, report, db, models, "your question", saved)
    if report.chosen is None:
        raise typer.Exit(3)


def search(
    graph: Graph,
    tasks: Sequence[Task],
    pool: Pool,
    *,
    cap: Cap,
    spend: float,
    db: str,
    metric: str,
    seed: int,
    optimizer: str = "racing",
    policies: str | None = None,
    families: bool = True,
) -> StudyReport:
    """Runs a study with its progress on the terminal and its books in a file.

    Args:
        graph: as those that follow, see `optimizers.optimize`.
        tasks: the dev set.
        pool: the models.
        cap: the ceiling.
        spend: the most that the search may pay.
        db: the file.
        metric: its name.
        seed: of the study.
        optimizer: its name.
        policies: names by comma; the usual ones where it is None, none where it is "none".
        families: whether to say of every family what the nodes got.
    """
    from rich.console import Console

    from ..graphs.portal import run_sync
    from ..optimizers.study.optimize import optimize
    from ..stores.opening import open_store
    from .terminal import TerminalReporter

    run_sync(pool.check)
    store = open_store(db, durable=pool.costs_money)
    reporter = TerminalReporter(Console(highlight=False), families=families)
    try:
        report = optimize(
            graph,
            tasks,
            pool,
            cap=cap,
            spend=spend,
            store=store,
            seed=seed,
            metric=metric,
            optimizer=optimizer,
            policies=_named(policies),
            reporter=reporter,
        )
        if not any(plan.validation.coverage for plan in report.frontier):
            _say_why(store)
        return report
    finally:
        reporter.close()
        store.close()


def _say_why(store: StudyStore) -> None:
    """Prints why nothing was answered."""
    from ..records.status import Status

    failed = (row for row in store.runs() if row.status is not Status.OK)
    reasons = [span.reason for row in islice(failed, 1) for span in store.spans(row.run_id) if span.reason]
    print(f"no task was answered by any plan of the frontier; the newest reason: {reasons[0] if reasons else 'none'}")
    print("mend the cause and start again: failed calls are tried again, and nothing else is paid for twice")


def save_policy(report: StudyReport, path: str | None) -> str | None:
    """Writes the chosen policy where that is asked for, and returns the path; None where nothing was written."""
    if path is None:
        return None
    if report.policy is None:
        print(f"no policy was chosen, so {path} was not written")
        return None
    report.policy.save(path)
    return path


def _named(policies: str | None) -> Sequence[str]:
    from ..optimizers.study.policy_selection import POLICIES_COMPARED

    if policies is None:
        return POLICIES_COMPARED
    return () if policies == "none" else tuple(name.strip() for name in policies.split(","))


def next_steps(
    graph: str, report: StudyReport, db: str, models: str | None, question: str, policy: str | None = None
) -> None:
    """Prints the commands that one would type next."""
    from .loading import program

    pool = f" --models {models}" if models is not None else ""
    print("next:")
    if report.chosen is not None:
        print(f'  {program()} run {graph} --plan {report.chosen[:8]} --db {db}{pool} "{question}"')
    if policy is not None:
        print(f'  {program()} run --policy {policy} --db {db}{pool} "{question}"')
    print(f"  {program()} runs --db {db}")
