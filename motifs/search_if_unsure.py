"""Thinking first, and looking up only where the thought answer is not sure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..graphs.gate import Gate
from ..graphs.graph import Graph
from ..nodes.knob import ANY_MODEL, choose
from ..nodes.search import Search
from ..nodes.solver import Solver
from ..nodes.verifier import Verifier

__all__ = ["search_if_unsure"]

_THRESHOLDS = (0.95, 0.8, 0.99)


def search_if_unsure(
    retriever: str | Path | Callable[[str, int], Any],
    model: str = ANY_MODEL,
    *,
    searcher: str = ANY_MODEL,
    rounds: Any = 3,
    when: Gate | None = None,
    name: str = "search_if_unsure",
    **settings: Any,
) -> Graph:
    """Retrieval where it is needed (FLARE, Jiang et al. 2023, asks token by token; here once, after the answer).

    Args:
        retriever: what is searched; see `Search`.
        model: thinks first.
        searcher: writes queries, and answers from what is found.
        rounds: the most queries.
        when: the way to the search; where left out, a confidence below a threshold that is a knob.
        name: of the graph.
        settings: of the solver; see `Solver`.
    """
    gate = Gate("confidence", below=choose(*_THRESHOLDS)) if when is None else when
    graph = Graph(name).add("think", Solver(model=model, **settings))
    graph.add("search", Search(retriever=retriever, model=searcher, rounds=rounds)).add("pick", Verifier(method="last"))
    graph.connect("think", "search", when=gate, forward="none")
    return graph.connect("think", "pick").connect("search", "pick")
