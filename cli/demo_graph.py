"""The graph and the dev set of `apportion demo`: six families of questions, five ways to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..graphs.graph import Graph
from ..nodes.decomposer import Decomposer
from ..nodes.knob import choose
from ..nodes.merger import Merger
from ..nodes.retrieval import PassageIndex
from ..nodes.search import Search
from ..nodes.solver import Solver
from ..nodes.symbolic_solver import SymbolicSolver
from ..nodes.verifier import Verifier
from ..records.task import Task
from ..tasks.families import FAMILIES, corpus, generate

__all__ = ["dev_set", "graph", "look_up"]

_SEED = 11
_OUTPUT_TOKENS = 96
_FAMILIES = ("chains", "composites", "connectivity", "extraction", "hops", "puzzles")


@cache
def _index() -> PassageIndex:
    return PassageIndex(corpus("hops", _SEED, part="demo"))


async def look_up(query: str, top_k: int) -> Sequence[str]:
    """Passages of the demo's corpus, by BM25."""
    return await _index().find(query, top_k)


def _pipeline() -> Graph:
    pipeline = Graph("demo")
    pipeline.add(
        "solve",
        Solver(
            style=choose("direct", "draft", "think"),
            samples=choose(1, 3),
            max_output_tokens=_OUTPUT_TOKENS,
        ),
    )
    pipeline.add("split", Decomposer(max_parts=8, max_output_tokens=_OUTPUT_TOKENS))
    pipeline.add("part", Solver(style=choose("direct", "think"), max_output_tokens=_OUTPUT_TOKENS))
    pipeline.add("merge", Merger(model="pocket-100k", max_output_tokens=_OUTPUT_TOKENS))
    pipeline.add("search", Search(retriever=look_up, rounds=choose(1, 3, 5), top_k=choose(2, 4), max_output_tokens=16))
    pipeline.add("constraints", SymbolicSolver(repair_rounds=choose(0, 1), max_output_tokens=_OUTPUT_TOKENS))
    pipeline.add("judge", Verifier(method="vote"))
    pipeline.each("split", "part", "merge")
    for node in ("solve", "merge", "search", "constraints"):
        pipeline.connect(node, "judge", optional=True)
    return pipeline


graph = _pipeline()
"""Every branch answers in its own way, the judge chooses; the optimizer decides which are worth their tokens."""


def dev_set(per_difficulty: int = 8) -> list[Task]:
    """Questions of six families at all difficulties, none of which the embedded models were trained on."""
    return [
        task
        for family in _FAMILIES
        for difficulty in FAMILIES[family].difficulties
        for task in generate(family, per_difficulty, _SEED, difficulty, part="demo")
    ]
