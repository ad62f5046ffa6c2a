"""Draws are a node's own where something is random, and shared where nothing is."""

from __future__ import annotations

import pytest

from apportion import Graph, Pool, Solver, Verifier, generate, load_pocket_models
from apportion.budgets.books import MemoryStore
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
