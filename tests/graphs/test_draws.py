"""Draws are a node's own where something is random, and shared where nothing is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apportion import (
    Decomposer,
    Graph,
    Merger,
    Pool,
    Search,
    Solver,
    SymbolicSolver,
    Task,
    Verifier,
    generate,
    load_pocket_models,
)
from apportion.budgets.books import MemoryStore
from apportion.graphs.bounds import worst_case
from apportion.models.request import Request
from apportion.testing.scripted import ScriptedModel


def twice(model: str, temperature: float) -> Graph:
    graph = Graph("two")
    for name in ("one", "other"):
        graph.add(name, Solver(model=model, temperature=temperature, max_output_tokens=32))
    return graph.add("vote", Verifier(method="vote")).connect("one", "vote").connect("other", "vote")


@pytest.mark.parametrize(("temperature", "sent"), [(0.7, 2), (0.0, 1)])
def test_two_equal_nodes_share_a_call_only_where_nothing_is_random(temperature: float, sent: int) -> None:
    model = ScriptedModel(lambda request: "Answer: 4", name="m")
    twice("m", temperature).run("2+2", pool=Pool([model]))
    assert len(model.requests) == sent
    assert {request.source for request in model.requests} == ({"one", "other"} if sent == 2 else {""})


def test_the_embedded_models_draw_for_each_node() -> None:
    pool = Pool(load_pocket_models())
    tasks = generate("chains", 30, seed=4, difficulty=3)
    graph = Graph("two")
    for name in ("one", "other"):
        graph.add(name, Solver(model="pocket-30k", temperature=1.5, max_output_tokens=32))
    graph.add("vote", Verifier(method="vote")).connect("one", "vote").connect("other", "vote")
    confidences = [graph.run(task, pool=pool).confidence for task in tasks]
    assert any(confidence != 1.0 for confidence in confidences)


def test_a_stored_sample_serves_every_number_of_samples() -> None:
    def script(request: Request) -> str:
        return f"Answer: {request.sample}"

    model, store = ScriptedModel(script, name="m"), MemoryStore()
    for samples in (4, 1, 3):
        graph = Graph("one").add("solve", Solver(model="m", samples=samples))
        graph.run("2+2", pool=Pool([model]), store=store)
    assert sorted(request.sample for request in model.requests) == [0, 1, 2, 3]


PROBLEM = json.dumps({"variables": [{"type": "int", "name": "a", "low": 1, "high": 3}], "constraints": []})


def look_up(query: str, top_k: int) -> list[str]:
    return [f"{query} is here"]


def repeated(samples: int) -> Graph:
    """Every kind that calls a model, each with so many samples."""
    every: dict[str, Any] = {"model": "m", "samples": samples, "temperature": 0.7, "red_flags": ("hedged",)}
    graph = Graph("every")
    graph.add("search", Search(retriever=look_up, rounds=1, **every)).add("split", Decomposer(**every))
    graph.add("part", Solver(style="direct", **every)).add("merge", Merger(**every)).connect("search", "split")
    graph.each("split", "part", "merge").add("constraints", SymbolicSolver(**every)).connect("merge", "constraints")
    return (
        graph.add("judge", Verifier(method="score", **every)).connect("merge", "judge").connect("constraints", "judge")
    )


def everything(request: Request) -> str:
    """What each kind asks for; every third draw hedges, is no problem or no decomposition."""
    asked = str(request.messages).lower()
    odd = request.sample % 3 == 2
    if "probability" in asked:
        return f"Probability: {60 + request.sample}"
    if '"combine"' in asked:
        return "hm" if odd else json.dumps({"parts": ["40", "2"], "combine": "{p1}+{p2}"})
    if "constraints" in asked:
        return "no" if odd else PROBLEM
    if "query" in asked and "no more searching" not in asked:
        return f"Query: {request.sample % 2}"
    return f"Answer: probably {request.sample}" if odd else f"Answer: {40 + request.sample % 2}"


def test_what_nine_samples_of_every_kind_paid_for_pays_for_every_smaller_number() -> None:
    """Run with nine, one, three and five samples, in this order, asked for are the draws of nine alone."""
    model, store = ScriptedModel(everything, name="m"), MemoryStore()

    def settings(samples: int) -> dict[str, Any]:
        return {"model": "m", "samples": samples, "temperature": 0.7, "red_flags": ("hedged", "unread")}

    for kind in (Search(retriever=look_up, rounds=1), Decomposer(), SymbolicSolver(), Solver(style="direct")):
        asked: list[int] = []
        charged: list[int] = []
        for samples in (9, 1, 3, 5):
            node = type(kind).model_validate({**dict(kind), **settings(samples)})
            graph = Graph("one").add("split", Decomposer(model="m", temperature=0.0)).add("n", node)
            result = graph.connect("split", "n").run("2+2", pool=Pool([model]), store=store)
            asked.append(len(model.requests))
            charged.append(result.charged.tokens)
        assert len(set(asked)) == 1, f"{kind.kind} asked for more: {asked}"
        assert charged[1] < charged[2] < charged[3] < charged[0]


@pytest.mark.parametrize("samples", [1, 3])
def test_a_graph_in_which_every_node_repeats_stays_below_its_bound(samples: int) -> None:
    model, graph = ScriptedModel(everything, name="m"), repeated(samples)
    pool = Pool([model])
    task = Task(question="What is 40+2?")
    result = graph.run(task, pool=pool)
    assert result.answer
    assert 0 < result.charged.tokens <= worst_case(graph, graph.space(pool).default(), task, pool).total.tokens
