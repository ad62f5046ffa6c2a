"""`apportion draw`: a graph as a drawing, all of it or what a plan leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .asking import reading
from .output import say

if TYPE_CHECKING:
    from ..graphs.draw import DrawingFormat
    from ..graphs.plan import Plan

__all__ = ["command"]


def command(
    graph: Annotated[str, typer.Argument(help="MODULE:NAME of the graph, or path.py:NAME.", metavar="MODULE:GRAPH")],
    out: Annotated[
        str | None,
        typer.Option(help="Write the drawing to this file: .svg, or Mermaid as .mmd or .md.", metavar="FILE"),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="Grey out what does not run under it: a plan file, or the beginning of its hash in --db."),
    ] = None,
    db: Annotated[str, typer.Option(help="SQLite file in which the plan is looked up.")] = "apportion.db",
) -> None:
    """Draw a graph: as Mermaid on the terminal, or to a file. Nothing is called."""
    from ..records.files import write_text
    from .loading import load_graph

    loaded = load_graph(graph)
    format = _format(out)
    drawing = loaded.draw(format, None if plan is None else _plan(plan, db, loaded.hash))
    if out is None:
        say(drawing.rstrip("\n"))
        return
    text = f"```mermaid\n{drawing}```\n" if Path(out).suffix.lower() == ".md" else drawing
    try:
        write_text(Path(out), text)
    except OSError as error:
        raise UsageError(f"cannot write {out!r}: {error.strerror}") from error
    say(f"written   {out}")


def _format(out: str | None) -> DrawingFormat:
    if out is None or Path(out).suffix.lower() in (".mmd", ".md", ".mermaid"):
        return "mermaid"
    if Path(out).suffix.lower() == ".svg":
        return "svg"
    raise UsageError(f"--out {out}: the name of a drawing must end in .svg, or in .mmd or .md for Mermaid")


def _plan(where: str, db: str, graph_hash: str) -> Plan:
    """The plan of a file or of a database.

    Raises:
        PlanError: there is none, or more than one, or it is of another graph.
    """
    from ..errors import PlanError
    from .loading import find_plan
    from .plan_checks import check_plan_is_somewhere

    check_plan_is_somewhere(where, db)
    if Path(where).is_file():
        found = find_plan(where, None)
    else:
        with reading(db) as store:
            found = find_plan(where, store)
    if found.graph_hash != graph_hash:
        raise PlanError(
            f"plan {found.hash[:8]} is of the graph {found.graph_hash}, and this one is {graph_hash}: it was changed "
            "since, or is another; draw the graph that the plan was made for"
        )
    return found
