"""What is written on the nodes and edges of a drawing."""

from __future__ import annotations

from typing import Any

from ..nodes.knob import ANY_MODEL, Choice
from ..records.display import visible
from ..records.prompt import Prompt
from .active import Active, active_part
from .blueprint import HasBlueprint
from .edges import Edge, Loop
from .gate import GATE, Gate
from .knob_name import FORWARD, ROUNDS, KnobName
from .plan import Plan, plain

__all__ = ["edge_label", "loop_label", "node_lines", "shown"]


def shown(graph: HasBlueprint, plan: Plan | None) -> Active | None:
    """What runs: all of the graph without a plan."""
    on = graph.blueprint.optional if plan is None else plan.edges
    return active_part(graph.blueprint, on)


def node_lines(graph: HasBlueprint, name: str, plan: Plan | None) -> list[str]:
    """The node's name, its kind, its model, and the knobs that are open or that the plan sets."""
    node = graph.blueprint.nodes[name]
    lines = [name, node.kind]
    for field in type(node).model_fields:
        value = getattr(node, field)
        knob = str(KnobName(name, field))
        if plan is not None and knob in plan.values:
            lines.append(f"{field} = {_text(plan.values[knob])}")
        elif isinstance(value, Choice):
            lines.append(f"{field}: {' | '.join(_text(plain(option)) for option in value.values)}")
        elif isinstance(value, Prompt):
            lines.append(f"{field} = {value.label}")
        elif field in node.model_knobs():
            lines.append(f"{field}: any" if value == ANY_MODEL else f"{field} = {value}")
    return [visible(line).replace("\n", " ") for line in lines]


def edge_label(edge: Edge, plan: Plan | None) -> str:
    """When the edge is open, and what it lets through where that is not everything."""
    text = _knob(KnobName(edge.name, FORWARD), edge.forward, plan)
    said = "" if text == "full" else text
    return said if edge.gate is None else "; ".join(filter(None, (_when(edge, edge.gate, plan), said)))


def _when(edge: Edge, gate: Gate, plan: Plan | None) -> str:
    if not gate.thresholds:
        return f"when {gate.signal}"
    chosen = None if plan is None else plan.values.get(str(KnobName(edge.name, GATE)), gate.thresholds[0])
    shown = gate.thresholds if plan is None else (chosen,)
    side = "below" if gate.above is None else "above"
    return f"when {gate.signal} {side} " + " | ".join("always" if each is None else f"{each:g}" for each in shown)


def loop_label(loop: Loop, plan: Plan | None) -> str:
    """How often a loop may run."""
    rounds = _knob(KnobName(loop.name, ROUNDS), loop.rounds, plan)
    return f"again until accepted, rounds: {rounds}"


def _knob(name: KnobName, value: Any, plan: Plan | None) -> str:
    if isinstance(value, Choice):
        if plan is not None and str(name) in plan.values:
            return _text(plan.values[str(name)])
        return " | ".join(_text(plain(option)) for option in value.values)
    return _text(plain(value))


def _text(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"low", "high"}:
        return f"{value['low']} to {value['high']}"
    return str(value)
