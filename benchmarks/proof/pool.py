"""What the proof is about: the embedded models in pools, one graph, and the plans of it that are measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from apportion import Decomposer, Graph, Merger, Plan, Search, Solver, Space, SymbolicSolver, Verifier, choose
from apportion.graphs.resolved import resolve

__all__ = ["GENERALISTS", "PAIRED", "SPECIALISTS", "candidate_plans", "draws_at_random", "pools_of", "proof_graph"]

GENERALISTS = ("pocket-30k", "pocket-100k", "pocket-800k")
"""Trained on every family, in three sizes."""
SPECIALISTS = ("pocket-100k-arithmetic", "pocket-100k-reading", "pocket-100k-standard")
"""Of one size, each trained on some families only, or without thinking."""
PAIRED = "pocket-100k"
"""The model of the controls."""

_OUTPUT_TOKENS = 128
_SOLVE, _SPLIT, _SEARCH, _FORMALISE = "solve->judge", "merge->judge", "search->judge", "constraints->judge"


def pools_of(models: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The pools by name, of the models at hand; one that would have less than two models is left out."""
    pools = {
        "generalists": tuple(model for model in GENERALISTS if model in models),
        "mixed": tuple(model for model in (*GENERALISTS, *SPECIALISTS) if model in models),
        "specialists": tuple(model for model in SPECIALISTS if model in models),
    }
    return {name: found for name, found in pools.items() if len(found) > 1}


def proof_graph(passages: Path) -> Graph:
    """The graph: four ways to an answer, each behind an edge that may be off, and a vote.

    Args:
        passages: a text file with the passages that are searched, one a line.
    """
    graph = Graph("proof")
    graph.add(
        "solve",
        Solver(
            style=choose("direct", "draft", "think"),
            samples=choose(1, 4),
            max_output_tokens=_OUTPUT_TOKENS,
        ),
    )
    graph.add("split", Decomposer(max_parts=8, max_output_tokens=_OUTPUT_TOKENS))
    graph.add("part", Solver(style="think", max_output_tokens=_OUTPUT_TOKENS))
    graph.add("merge", Merger(max_output_tokens=_OUTPUT_TOKENS))
    graph.add("search", Search(retriever=passages, rounds=choose(2, 6), top_k=4, max_output_tokens=16))
    graph.add("constraints", SymbolicSolver(repair_rounds=0, max_output_tokens=_OUTPUT_TOKENS))
    graph.add("judge", Verifier(method="vote"))
    graph.each("split", "part", "merge")
    for node in ("solve", "merge", "search", "constraints"):
        graph.connect(node, "judge", optional=True)
    return graph


def candidate_plans(space: Space, models: Sequence[str]) -> list[Plan]:
    """The plans that are measured: nine for each model, and some in which nodes have different models."""
    found = [space.plan(values, edges) for model in models for values, edges in _of_one(model)]
    found += [space.plan(values, edges) for values, edges in _of_several(models)]
    return list(dict.fromkeys(found))


def draws_at_random(plan: Plan, space: Space) -> bool:
    """Whether a further replicate of the plan can differ: whether anything in it is asked above temperature 0."""
    return any(getattr(step.node, "temperature", 0.0) > 0 for step in resolve(space, plan).steps.values())


def _of_one(model: str) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    everywhere = {f"{node}.model": model for node in ("solve", "split", "part", "merge", "search", "constraints")}
    for style, samples in (("direct", 1), ("draft", 1), ("think", 1), ("think", 4)):
        yield {**everywhere, "solve.style": style, "solve.samples": samples}, (_SOLVE,)
    for rounds in (2, 6):
        yield {**everywhere, "search.rounds": rounds}, (_SEARCH,)
    yield everywhere, (_FORMALISE,)
    yield everywhere, (_SPLIT,)
    yield {**everywhere, "solve.style": "think", "solve.samples": 1, "search.rounds": 6}, (_SOLVE, _SEARCH, _FORMALISE)


def _of_several(models: Sequence[str]) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    cheap, dear = models[0], models[1:]
    for model in dear:
        # What the parts are is easy to see; to work them out is not.
        yield {"split.model": cheap, "part.model": model, "merge.model": cheap}, (_SPLIT,)
    if set(SPECIALISTS) <= set(models):
        arithmetic, reading, standard = SPECIALISTS
        yield (
            {
                "solve.model": arithmetic,
                "solve.style": "think",
                "solve.samples": 1,
                "search.model": reading,
                "search.rounds": 6,
                "constraints.model": standard,
            },
            (_SOLVE, _SEARCH, _FORMALISE),
        )
