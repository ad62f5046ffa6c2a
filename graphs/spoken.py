"""Whether the models of a pool can be asked what the nodes of a graph ask."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import GraphError
from ..models.pool import Pool
from ..nodes.answer_node import AnswerNode
from ..nodes.base import Node
from ..nodes.knob import ANY_MODEL, Choice
from ..nodes.outputs import spoken_by
from ..nodes.prompts import dialect_named
from ..records.output import JsonOutput, OneOf
from .blueprint import Blueprint

__all__ = ["check_spoken"]


def check_spoken(graph: Blueprint, pool: Pool) -> None:
    """Refuses nodes whose words or outputs a model that they may call does not understand.

    Raises:
        GraphError: names the node, the model, and what it cannot be asked.
    """
    for name, node in graph.nodes.items():
        for model in _models(node, pool):
            wanted = _unspoken(node, model, pool)
            if wanted:
                raise GraphError(
                    f"node {name!r}: {model!r} cannot be asked for {wanted}, because it follows no instructions "
                    f"(dialect {pool.card(model).dialect!r}); let the node choose among models that do, such as "
                    "model=choose(...), or take them alone into the pool"
                )


def _models(node: Node, pool: Pool) -> Iterable[str]:
    """Those of the pool that the node may call."""
    values: list[object] = []
    for knob in node.model_knobs():
        value = getattr(node, knob)
        values += value.values if isinstance(value, Choice) else pool.names if value == ANY_MODEL else (value,)
    return (model for model in pool.names if model in values)


def _unspoken(node: Node, model: str, pool: Pool) -> str:
    dialect = dialect_named(pool.card(model).dialect)
    if dialect.words or not isinstance(node, AnswerNode):
        return ""
    if not spoken_by(dialect, node.output):
        kind = {OneOf: "OneOf(...)", JsonOutput: "JsonOutput(...)"}.get(type(node.output), repr(node.output))
        return f"output={kind}"
    repairs = node.repairs.values if isinstance(node.repairs, Choice) else (node.repairs,)
    return "repairs" if max(repairs) > 0 else ""
