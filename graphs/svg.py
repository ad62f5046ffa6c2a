"""A drawing of a graph as an SVG file that needs nothing else.

Layers are topological generations, from left to right. An edge that passes over layers gets a lane in each of them,
so that it does not cross boxes; lanes and boxes of a layer are ordered by the mean place of what they read (the
barycentre rule, Sugiyama et al. 1981).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..records.display import markup
from .active import levels
from .blueprint import HasBlueprint
from .edges import Edge, Loop
from .labels import edge_label, loop_label, node_lines, shown
from .plan import Plan

__all__ = ["svg"]

_CHARACTER = 7.3
"""Pixels, of the widest usual letters at this size."""
_LINE = 16.0
_PADDING = 10.0
_COLUMN_GAP = 90.0
_ROW_GAP = 24.0
_LANE = 14.0
_MARGIN = 28.0
_LOOP_GAP = 16.0
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#222}"
    ".name{font-weight:bold}.kind{fill:#666}.label{fill:#555;font-size:11px;paint-order:stroke;stroke:#fff;stroke-width:3px}"
    ".box{fill:#f6f8fb;stroke:#4a6fa5;stroke-width:1.2}.final .box{stroke-width:2.4}"
    ".off .box{fill:#f2f2f2;stroke:#bbb;stroke-dasharray:3 3}.off text{fill:#aaa}"
    ".edge{fill:none;stroke:#555;stroke-width:1.2}.optional{stroke-dasharray:5 4}"
    ".loop{fill:none;stroke:#b3541e;stroke-width:1.6;stroke-linejoin:round}"
)


@dataclass(slots=True)
class _Box:
    """A node, or the lane of an edge that passes."""

    name: str
    lines: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def svg(graph: HasBlueprint, plan: Plan | None = None) -> str:
    """The graph as SVG: optional edges dashed, loops below in colour, what runs once per part as a stack."""
    blueprint = graph.blueprint
    active = shown(graph, plan)
    runs = frozenset(blueprint.nodes) if active is None else active.names
    edges = blueprint.edges if active is None else active.edges
    loops = blueprint.loops if active is None else tuple(body.loop for body in active.bodies)
    layers, ways = _layers(graph, plan)
    boxes = {box.name: box for layer in layers for box in layer}
    per_part = {group.solve for group in blueprint.groups}
    drawn = [_edge(edge, [boxes[name] for name in ways[edge.name]], plan) for edge in edges]
    bottom = max(box.y + box.height for box in boxes.values())
    for depth, loop in enumerate(loops):
        drawn.append(_loop(loop, boxes, bottom + 26 + 30 * depth, plan))
    for name in blueprint.nodes:
        classes = "node" + (" final" if name == blueprint.final else "") + ("" if name in runs else " off")
        drawn.append(_node(boxes[name], classes, stacked=name in per_part))
    width = max(box.x + box.width for box in boxes.values()) + _MARGIN + _LOOP_GAP
    height = bottom + _MARGIN + 30 * len(loops)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">'
    )
    title = f"<title>{markup(blueprint.name)}</title>"
    tips = "".join(_tip(name, colour) for name, colour in (("tip", "#555"), ("back", "#b3541e")))
    return "\n".join((head, title, f"<style>{_STYLE}</style><defs>{tips}</defs>", *drawn, "</svg>")) + "\n"


def _layers(graph: HasBlueprint, plan: Plan | None) -> tuple[list[list[_Box]], dict[str, list[str]]]:
    """The boxes by layer, placed; and by edge the boxes and lanes on its way."""
    blueprint = graph.blueprint
    flow = levels(blueprint.nodes, ((edge.source, edge.target) for edge in blueprint.edges))
    generations = [sorted(layer, key=list(blueprint.nodes).index) for layer in flow]
    depth = {name: number for number, layer in enumerate(generations) for name in layer}
    layers = [[_node_box(graph, name, plan) for name in layer] for layer in generations]
    reads: dict[str, list[str]] = {name: [] for name in blueprint.nodes}
    ways: dict[str, list[str]] = {}
    for edge in blueprint.edges:
        way = [edge.source]
        for number in range(depth[edge.source] + 1, depth[edge.target]):
            lane = f"{edge.name} in {number}"
            layers[number].append(_Box(lane, [], 0.0, _LANE))
            reads[lane] = [way[-1]]
            way.append(lane)
        reads[edge.target].append(way[-1])
        ways[edge.name] = [*way, edge.target]
    _place(layers, reads)
    return layers, ways


def _place(layers: list[list[_Box]], reads: dict[str, list[str]]) -> None:
    middles: dict[str, float] = {}
    x = _MARGIN
    tallest = max(sum(box.height + _ROW_GAP for box in layer) for layer in layers)
    for layer in layers:
        layer.sort(key=lambda box: _mean([middles[name] for name in reads[box.name]]))
        width = max(box.width for box in layer)
        y = _MARGIN + (tallest - sum(box.height + _ROW_GAP for box in layer)) / 2
        for box in layer:
            box.x, box.y = x, y
            if not box.lines:
                box.width = width
            y += box.height + _ROW_GAP
            middles[box.name] = box.middle
        x += width + _COLUMN_GAP


def _mean(places: list[float]) -> float:
    return sum(places) / len(places) if places else 0.0


def _node_box(graph: HasBlueprint, name: str, plan: Plan | None) -> _Box:
    lines = node_lines(graph, name, plan)
    width = max(len(line) for line in lines) * _CHARACTER + 2 * _PADDING
    return _Box(name, lines, width, len(lines) * _LINE + 2 * _PADDING)


def _node(box: _Box, classes: str, *, stacked: bool) -> str:
    parts = [f'<g class="{classes}">']
    for shift in (8, 4, 0) if stacked else (0,):
        parts.append(
            f'<rect class="box" x="{box.x + shift:.1f}" y="{box.y - shift:.1f}" '
            f'width="{box.width:.1f}" height="{box.height:.1f}" rx="6"/>'
        )
    for number, line in enumerate(box.lines):
        kind = ("name", "kind")[number] if number < 2 else "knob"
        y = box.y + _PADDING + _LINE * number + 12
        parts.append(f'<text class="{kind}" x="{box.x + _PADDING:.1f}" y="{y:.1f}">{markup(line)}</text>')
    if stacked:
        parts.append(_text(box.x + box.width / 2, box.y - 12, "once per part"))
    return "".join((*parts, "</g>"))


def _edge(edge: Edge, way: list[_Box], plan: Plan | None) -> str:
    first, last = way[0], way[-1]
    path = f"M{first.x + first.width:.1f},{first.middle:.1f}"
    x, y = first.x + first.width, first.middle
    for box in way[1:]:
        bend = (box.x - x) / 2
        path += f" C{x + bend:.1f},{y:.1f} {box.x - bend:.1f},{box.middle:.1f} {box.x:.1f},{box.middle:.1f}"
        x, y = box.x, box.middle
        if box is not last:
            x += box.width
            path += f" L{x:.1f},{y:.1f}"
    kind = "edge optional" if edge.optional else "edge"
    line = f'<path class="{kind}" d="{path}" marker-end="url(#tip)"/>'
    label = edge_label(edge, plan)
    if not label:
        return line
    second = way[1]
    return line + _text((first.x + first.width + second.x) / 2, (first.middle + second.middle) / 2 - 5, label)


def _loop(loop: Loop, boxes: dict[str, _Box], y: float, plan: Plan | None) -> str:
    """Down beside the check's layer, back below all boxes, and up beside the first node's layer."""
    tail, head = boxes[loop.check], boxes[loop.solve]
    right = max(box.x + box.width for box in boxes.values() if box.x == tail.x) + _LOOP_GAP
    left = head.x - _LOOP_GAP
    start, end = tail.y + tail.height - _LOOP_GAP, head.y + head.height - _LOOP_GAP
    corners = [(tail.x + tail.width, start), (right, start), (right, y), (left, y), (left, end), (head.x, end)]
    path = "M" + " L".join(f"{x:.1f},{height:.1f}" for x, height in corners)
    line = f'<path class="loop" d="{path}" marker-end="url(#back)"/>'
    return line + _text((left + right) / 2, y - 5, loop_label(loop, plan))


def _text(x: float, y: float, text: str) -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{markup(text)}</text>'


def _tip(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
    )
