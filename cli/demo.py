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
    from ..optimizers.study.optimize import optimize
    from .demo_graph import dev_set, graph
    from .layout import labelled
    from .loading import load_pool, positive
    from .optimize import conclude, watched

    tasks = dev_set()
    labelled(Console(highlight=False), "graph", f"{graph.name}: {', '.join(graph.nodes)}")
    ceiling, most, pool = Cap(total=positive("--cap", cap)), positive("--spend", spend), load_pool(None)
    question = next(task.question for task in tasks if task.family == "composites")
    with watched(db, pool, families=False) as (store, reporter):
        report = optimize(graph, tasks, pool, cap=ceiling, spend=most, store=store, seed=seed, reporter=reporter)
        conclude(report, store, "apportion.cli.demo_graph:graph", None, question, json, policy_out)
