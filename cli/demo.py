"""`apportion demo`: the main job on embedded models, offline, in a few minutes."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["command"]


def command(
    cap: Annotated[float, typer.Option(help="Ceiling in tokens for answering all tasks.")] = 75_000,
    spend: Annotated[float, typer.Option(help="The most tokens that the search itself may pay.")] = 320_000,
    db: Annotated[str, typer.Option(help="SQLite file that keeps every call.")] = "apportion-demo.db",
    seed: Annotated[int, typer.Option(help="Of the split, the order and the random plans.", min=0)] = 0,
    policy_out: Annotated[str, typer.Option(help="Write the chosen policy to this file.", metavar="FILE")] = (
        "apportion-demo-policy.json"
    ),
    json: Annotated[str | None, typer.Option(help="Write the report to this file.", metavar="FILE")] = None,
) -> None:
    """Optimize a graph of six node kinds on 352 generated questions, with six tiny language models."""
    from rich.console import Console

    from ..budgets.cap import Cap
    from .demo_graph import dev_set, graph
    from .layout import labelled
    from .loading import load_pool, positive, write_json
    from .optimize import next_steps, save_policy, search

    tasks = dev_set()
    labelled(Console(highlight=False), "graph", f"{graph.name}: {', '.join(graph.nodes)}")
    total, most = positive("--cap", cap), positive("--spend", spend)
    report = search(
        graph,
        tasks,
        load_pool(None),
        cap=Cap(total=total),
        spend=most,
        db=db,
        metric="auto",
        seed=seed,
        families=False,
    )
    write_json(json, report.model_dump_json(indent=2))
    saved = save_policy(report, policy_out)
    question = next(task.question for task in tasks if task.family == "composites")
    next_steps("apportion.cli.demo_graph:graph", report, db, None, question, saved)
    if report.chosen is None:
        raise typer.Exit(3)
