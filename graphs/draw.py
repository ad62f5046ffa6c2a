"""Drawings of a graph, of all of it or of what a plan leaves."""

from __future__ import annotations

from typing import Literal

from ..errors import UnknownName
from .blueprint import HasBlueprint
from .labels import edge_label, loop_label, node_lines, shown
from .plan import Plan

__all__ = ["ENTITIES", "DrawingFormat", "draw", "mermaid"]

DrawingFormat = Literal["mermaid", "svg"]

ENTITIES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"})


def draw(graph: HasBlueprint, format: DrawingFormat, plan: Plan | None) -> str:
    """The drawing as text; see `Graph.draw`.

    Raises:
        UnknownName: there is no such format.
    """
    if format == "mermaid":
        return mermaid(graph, plan)
    if format == "svg":
        from .svg import svg

        return svg(graph, plan)
    raise UnknownName("drawing format", str(format), ("mermaid", "svg"))


def mermaid(graph: HasBlueprint, plan: Plan | None = None) -> str:
    """The graph as a Mermaid flowchart: optional edges dotted, loops thick, what does not run grey."""
    blueprint = graph.blueprint
    active = shown(graph, plan)
    runs = frozenset(blueprint.nodes) if active is None else active.names
    on = {edge.name for edge in (blueprint.edges if active is None else active.edges)}
    ids = {name: f"n{position}" for position, name in enumerate(blueprint.nodes)}
    per_part = {group.solve for group in blueprint.groups}
    lines = ["flowchart LR"]
    for name, short in ids.items():
        text = "<br/>".join(line.translate(ENTITIES) for line in node_lines(graph, name, plan))
        opening, closing = ('[["', '"]]') if name in per_part else ('["', '"]')
        lines.append(f"  {short}{opening}{text}{closing}{'' if name in runs else ':::off'}")
    for edge in blueprint.edges:
        if edge.name in on:
            arrow = "-.->" if edge.optional else "-->"
            lines.append(_arrow(ids[edge.source], arrow, edge_label(edge, plan), ids[edge.target]))
    for loop in blueprint.loops:
        if active is None or any(body.loop == loop for body in active.bodies):
            lines.append(_arrow(ids[loop.check], "==>", loop_label(loop, plan), ids[loop.solve]))
    if len(runs) < len(ids):
        lines.append("  classDef off fill:#eeeeee,stroke:#bbbbbb,color:#999999,stroke-dasharray:3 3")
    return "\n".join(lines) + "\n"


def _arrow(source: str, arrow: str, label: str, target: str) -> str:
    text = f'|"{label.translate(ENTITIES)}"|' if label else ""
    return f"  {source} {arrow}{text} {target}"
