"""`apportion optimize`: find the plans of a graph that score best for what they cost."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Allow, Capture, Columns, Compress, WrongCosts, columns_by_ours
from .output import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..models.pool import Pool
    from ..optimizers.study.report import StudyReport
    from ..records.protocols import StudyStore
    from ..stores.capture import Capture as Captured
    from ..stores.store import Store
    from .terminal import TerminalReporter

__all__ = ["command", "conclude", "watched"]

Unit = Literal["tokens", "weighted", "usd"]


def command(
    graph: Annotated[str, typer.Argument(help="MODULE:NAME of the graph, or path.py:NAME.", metavar="MODULE:GRAPH")],
    tasks: Annotated[str, typer.Option(help="The dev set, JSONL, CSV or Parquet.")],
    cap: Annotated[float, typer.Option(help="Ceiling for answering all tasks of the dev set.")],
    spend: Annotated[float, typer.Option(help="The most that the search itself may pay.")],
    models: Annotated[str | None, typer.Option(help="Pool file (TOML); the embedded models if left out.")] = None,
    target_score: Annotated[
        float | None,
        typer.Option(help="Look for the smallest cap at which the mean score is at least that; --cap is the most."),
    ] = None,
    per_task: Annotated[float | None, typer.Option(help="Ceiling for each task.")] = None,
    unit: Annotated[Unit, typer.Option(help="Of cap and spend.")] = "tokens",
    db: Annotated[str, typer.Option(help="SQLite file that keeps every call.")] = "apportion.db",
    capture: Capture = "full",
    compress: Compress = False,
    metric: Annotated[
        str,
        typer.Option(help="Its name, or MODULE:FUNCTION; auto takes what each task names."),
    ] = "auto",
    judge: Annotated[
        str | None,
        typer.Option(
            help="A model of the pool that grades the answers by --rubric; --metric is then what its agreement with "
            "gold answers is told of.",
            metavar="MODEL",
        ),
    ] = None,
    rubric: Annotated[
        str | None,
        typer.Option(help="Text file with {answer}, and perhaps {question}, {gold}, {format}.", metavar="FILE"),
    ] = None,
    judge_scale: Annotated[
        str | None, typer.Option(help="The judge's worst and best mark; 0,10 when left out.", metavar="LOW,HIGH")
    ] = None,
    judge_votes: Annotated[
        int | None, typer.Option(help="How many draws a verdict is the mean of; 1 when left out.", min=1)
    ] = None,
    judge_tokens: Annotated[
        int | None,
        typer.Option(
            help="What a draw may write at most; 256 when left out, which is little for a model that reasons.", min=1
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="Its name, or MODULE:CLASS.")] = "racing",
    seed: Annotated[int, typer.Option(help="Of the split, the order and the random plans.", min=0)] = 0,
    policies: Annotated[
        str | None,
        typer.Option(
            help="Policies to compare, names or MODULE:CLASS by comma; none to leave them out.", metavar="NAMES"
        ),
    ] = None,
    wrong_costs: WrongCosts = 0.0,
    policy_out: Annotated[
        str | None, typer.Option(help="Write the chosen policy to this file, for `run --policy`.", metavar="FILE")
    ] = None,
    column: Columns = None,
    allow: Allow = None,
    json: Annotated[str | None, typer.Option(help="Write the report to this file.", metavar="FILE")] = None,
) -> None:
    """Search a graph's plans on a dev set, under a hard cap. Started again, it goes on where it stopped."""
    from ..budgets.cap import Cap
    from ..optimizers.study.optimize import optimize
    from ..optimizers.tables.value import checked_wrong_costs
    from ..tasks.devset import load_tasks
    from .loading import admitted, load_graph, load_judge, load_pool, positive, preload

    loaded = load_graph(graph)
    dev_set = load_tasks(tasks, columns=columns_by_ours(column), allow=admitted(allow))
    price = checked_wrong_costs(wrong_costs)
    pool, compared = load_pool(models), _named(policies)
    preload("metric", metric)
    grader = load_judge(judge, rubric, judge_scale, judge_votes, judge_tokens, metric)
    preload("optimizer", optimizer)
    preload("policy", *compared)
    own = None if per_task is None else positive("--per-task", per_task)
    ceiling, most = Cap(total=positive("--cap", cap), per_task=own, unit=unit), positive("--spend", spend)
    with watched(db, pool, capture=capture, compress=compress) as (store, reporter):
        report = optimize(
            loaded,
            dev_set,
            pool,
            cap=ceiling,
            spend=most,
            target_score=target_score,
            store=store,
            seed=seed,
            metric=metric if grader is None else grader,
            optimizer=optimizer,
            policies=compared,
            wrong_costs=price,
            reporter=reporter,
        )
        conclude(report, store, graph, models, "your question", json, policy_out)


@contextmanager
def watched(
    db: str, pool: Pool, *, families: bool = True, capture: Captured = "full", compress: bool = False
) -> Iterator[tuple[Store, TerminalReporter]]:
    """The books of a study in a file, and its progress on the terminal.

    Args:
        db: the file.
        pool: the models of the study; asked first whether they can be reached.
        families: whether to say of every family what the nodes got.
        capture: what the file keeps of texts, as `open_store`.
        compress: whether it keeps them compressed.
    """
    from rich.console import Console

    from ..stores.opening import open_store
    from .loading import check_pool
    from .terminal import TerminalReporter

    check_pool(pool)
    store = open_store(db, durable=pool.costs_money, capture=capture, compress=compress)
    reporter = TerminalReporter(Console(highlight=False), families=families)
    try:
        yield store, reporter
    finally:
        reporter.close()
        store.close()


def conclude(
    report: StudyReport,
    store: StudyStore,
    graph: str,
    models: str | None,
    question: str,
    out: str | None,
    policy: str | None,
) -> None:
    """Writes what a study found where that is asked for, and prints the commands that one would type next.

    Args:
        report: of the study.
        store: its books.
        graph: how the graph was named.
        models: how the pool was.
        question: to try the finds on.
        out: the file of the report.
        policy: the file of the chosen policy.
    """
    from .loading import write_json

    if report.frontier and not any(plan.validation.coverage for plan in report.frontier):
        _say_why(store)
    write_json(out, report.model_dump_json(indent=2))
    _next_steps(graph, report, store.location, models, question, _save_policy(report, policy))
    if report.chosen is None and report.frontier:
        raise typer.Exit(3)


def _say_why(store: StudyStore) -> None:
    """Prints why nothing was answered."""
    from ..records.status import Status

    failed = (row for row in store.runs() if row.status is not Status.OK)
    reasons = [span.reason for row in islice(failed, 1) for span in store.spans(row.run_id) if span.reason]
    say(f"no task was answered by any plan of the frontier; the newest reason: {reasons[0] if reasons else 'none'}")
    say("mend the cause and start again: failed calls are tried again, and nothing else is paid for twice")


def _save_policy(report: StudyReport, path: str | None) -> str | None:
    """Writes the chosen policy where that is asked for, and returns the path; None where nothing was written."""
    if path is None:
        return None
    if report.policy is None:
        say(f"{path} was not written: no plan is affordable under the cap, so there is no policy; raise --cap")
        return None
    report.policy.save(path)
    return path


def _named(policies: str | None) -> Sequence[str]:
    from ..optimizers.study.policy_selection import POLICIES_COMPARED

    if policies is None:
        return POLICIES_COMPARED
    return () if policies == "none" else tuple(name.strip() for name in policies.split(","))


def _next_steps(
    graph: str, report: StudyReport, db: str, models: str | None, question: str, policy: str | None = None
) -> None:
    """Prints the commands that one would type next."""
    from shlex import quote

    from .loading import program

    pool = f" --models {quote(models)}" if models is not None else ""
    if report.cap.per_task is not None:
        pool += f" --cap {report.cap.per_task:.15g} --unit {report.cap.unit}"
    graph, db = quote(graph), quote(db)
    if policy is None and report.policy is not None:
        say("policy   add --policy-out FILE to keep the one that was chosen, for `run --policy`; nothing is paid twice")
    say("next:")
    if report.chosen is not None:
        say(f'  {program()} run {graph} --plan {report.chosen[:8]} --db {db}{pool} "{question}"')
    if policy is not None:
        allow = "".join(f" --allow {quote(module)}" for module in report.policy.modules) if report.policy else ""
        say(f'  {program()} run --policy {quote(policy)}{allow} --db {db}{pool} "{question}"')
    say(f"  {program()} runs --db {db}")
