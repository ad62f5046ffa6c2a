"""An answer that its own model checks, and a second model where the check says no."""

from __future__ import annotations

from typing import Any

from ..graphs.gate import Gate
from ..graphs.graph import Graph
from ..nodes.solver import Solver
from ..nodes.verifier import Verifier

__all__ = ["self_verified"]


def self_verified(
    model: str, second: str, *, method: str = "score", name: str = "self_verified", **settings: Any
) -> Graph:
    """Answers with one model, has the same model judge the answer, and asks a second one where it is rejected.

    AutoMix (Aggarwal et al. 2024) in one run: the judgement is cheap beside an answer of the second model.

    Args:
        model: answers and judges.
        second: is asked where the judgement is no.
        method: how it is judged, "score" or "steps"; see `Verifier`.
        name: of the graph.
        settings: of both solvers; see `Solver`.
    """
    graph = Graph(name).add("first", Solver(model=model, **settings))
    graph.add("check", Verifier.model_validate({"method": method, "model": model}))
    graph.add("second", Solver(model=second, **settings)).add("pick", Verifier(method="last"))
    graph.connect("first", "check").connect("check", "second", when=Gate("rejected"), forward="none")
    return graph.connect("check", "pick").connect("second", "pick")
