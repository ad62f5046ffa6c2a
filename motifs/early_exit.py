"""Stages of which each runs only where the one before was not enough."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from ..errors import GraphError
from ..graphs.gate import Gate
from ..graphs.graph import Graph
from ..nodes.base import Node
from ..nodes.verifier import Verifier

__all__ = ["early_exit"]


def early_exit(stages: Mapping[str, Node], *, when: Gate, forward: str = "none", name: str = "early_exit") -> Graph:
    """Runs stages one after the other for as long as the gate between them opens; the last one that ran answers.

    Early exits of multi-agent graphs (MaAS, Zhang et al. 2025) and of cascades: easy questions end at the first stage,
    and what follows costs nothing for them. Where the threshold of the gate is a choice, each step has a knob of its
    own.

    Args:
        stages: nodes by name, in order, two at least.
        when: opens the way to the next stage, from the message of the stage before.
        forward: what the next stage sees of the one before: "none", or "answer" and more to let it look at it.
        name: of the graph.

    Raises:
        GraphError: fewer than two stages, or one is called "pick".
    """
    if len(stages) < 2 or "pick" in stages:
        raise GraphError(f"early_exit needs two stages at least, none of them called 'pick'; got {', '.join(stages)}")
    graph = Graph(name)
    for stage, node in stages.items():
        graph.add(stage, node)
    graph.add("pick", Verifier(method="last"))
    names = list(stages)
    for one, other in pairwise(names):
        graph.connect(one, other, when=when, forward=forward)
    for stage in names:
        graph.connect(stage, "pick")
    return graph
