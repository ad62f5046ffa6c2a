from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from apportion.errors import GraphError, PlanError, UnknownName
from apportion.graphs.bounds import worst_case
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.nodes.decomposer import Decomposer
from apportion.nodes.depth import Depth
from apportion.nodes.knob import choose
from apportion.nodes.merger import Merger
from apportion.nodes.model_node import ModelNode
from apportion.nodes.search import Search
from apportion.nodes.solver import Solver
from apportion.nodes.symbolic_solver import SymbolicSolver
from apportion.nodes.verifier import Verifier
from apportion.records.task import Task
from apportion.testing.fault_server import FaultServer

CARDS: Mapping[str, ModelCard] = {
    card.name: card
    for card in (
        ModelCard(name="plain"),
        ModelCard(name="some", reasoning_efforts=("low",)),
        ModelCard(name="all", reasoning_efforts=("high", "low")),
    )
}


def test_a_model_without_efforts_is_asked_as_always() -> None:
    node = Solver(model="plain", effort="low")
    assert "effort" in node.idle_with(CARDS.__getitem__)
    assert node.fitted(CARDS.__getitem__).effort is None
    assert node.effort_on(CARDS["plain"]) is None
    assert Solver(model="some", effort="low").fitted(CARDS.__getitem__).effort == "low"


def test_a_model_that_lacks_the_effort_says_what_it_has() -> None:
    with pytest.raises(PlanError, match="model 'some' has no effort 'high'; it has low"):
        Solver(model="some", effort="high").fitted(CARDS.__getitem__)
    with pytest.raises(UnknownName, match="effort of model 'some'"):
        Solver(model="some", effort="high").effort_on(CARDS["some"])


def test_where_no_call_is_made_an_effort_means_nothing() -> None:
    for node in (
        Verifier(method="vote", model="some", effort="high"),
        Decomposer(method="slices", model="some", effort="high"),
    ):
        assert node.fitted(CARDS.__getitem__).effort is None
        assert node.usable_knobs(CARDS) == {}


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Solver(effort="hihg"), "unknown effort 'hihg'; did you mean 'high'"),
        (Solver(effort=choose("low", "hihg")), "did you mean 'high'"),
        (Solver(model="some", effort="high"), "model 'some' has no effort 'high'; it has low"),
        (Solver(model=choose("plain", "some"), effort=choose("low", "high")), "can take effort 'high'"),
        (Solver(model="plain", effort="low"), "model 'plain' has no efforts"),
        (Verifier(method="score", model="some", effort="high"), "it has low"),
    ],
)
def test_an_effort_that_none_of_the_models_has_is_a_mistake(node: ModelNode, text: str) -> None:
    with pytest.raises(GraphError, match=text):
        node.usable_knobs(CARDS)


def test_values_that_go_with_nothing_are_left_out_of_a_knob() -> None:
    assert Solver(effort="high").usable_knobs(CARDS) == {"model": ("plain", "all")}
    open_knobs = Solver(effort=choose(None, "high"), samples=choose(1, 3)).usable_knobs(CARDS)
    assert open_knobs == {"model": ("plain", "some", "all"), "effort": (None, "high"), "samples": (1, 3)}


def test_depth_follows_the_effort_then_the_style() -> None:
    def depth(effort: str | None, style: Any, model: str = "all") -> Depth:
        depth = Solver(model=model, effort=effort, style=style).depth_at(Depth(3, style), CARDS.__getitem__)
        assert depth is not None
        return depth

    assert depth("low", "think") < depth("high", "direct")
    assert depth(None, "think") == Depth(3, "think")
    assert str(depth("high", "think")) == "think, effort high"
    assert str(replace(depth("high", "think"), limit=64)) == "think up to 64, effort high"


async def look_up(query: str, top_k: int) -> Sequence[str]:
    return ()


EFFORT = {"reasoning": {"budget": 32}, "prompt": "Think as long as you must.", "max_output_tokens": 40}
NODES = [
    Solver(effort="deep"),
    Solver(effort="deep", thinking_tokens=30),
    Verifier(method="score", effort="deep"),
    Verifier(method="steps", effort="deep"),
    Decomposer(effort="deep"),
    Merger(effort="deep"),
    SymbolicSolver(effort="deep"),
    Search(retriever=look_up, effort="deep", rounds=1),
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: f"{node.kind} {getattr(node, 'method', '')}")
def test_bounds_know_the_words_and_the_cap_of_an_effort(node: ModelNode) -> None:
    """Of every kind: what the effort adds to the prompt and takes from the output shows in the worst case."""
    endpoint = "http://localhost:9/v1"
    with_words, without = (
        Pool([OpenAIModel(ModelCard.model_validate({"name": "m", "efforts": {"deep": effort}}), endpoint)])
        for effort in (EFFORT, {**EFFORT, "prompt": ""})
    )
    capless = Pool([OpenAIModel(ModelCard.model_validate({"name": "m", "efforts": {"deep": {}}}), endpoint)])
    graph = Graph("g").add("solve", Solver(model="m", effort="deep")).add("node", node).connect("solve", "node")

    def terms(pool: Pool) -> dict[str, int]:
        bound = worst_case(graph, graph.space(pool).default(), Task(question="Why?"), pool)
        return {term.name: term.amount.tokens for term in bound.terms if term.node == "node"}

    prompts, outputs = "the prompts of node 'node'", "the output caps of node 'node'"
    assert terms(with_words)[prompts] - terms(without)[prompts] >= len(EFFORT["prompt"])  # type: ignore[arg-type]
    assert terms(without)[prompts] > terms(capless)[prompts]
    assert terms(with_words)[outputs] < terms(capless)[outputs]


def test_what_is_sent_for_an_effort() -> None:
    card = ModelCard.model_validate({"name": "m", "efforts": {"deep": EFFORT}, "reasoning_efforts": ["low"]})
    with FaultServer(reply=lambda body: "Answer: 4") as server:
        pool = Pool([OpenAIModel(card, server.base_url)])
        for effort in ("deep", "low", None):
            graph = Graph("g").add("solve", Solver(effort=effort, max_output_tokens=64))
            assert graph.run("2+2?", pool=pool).answer == "4"
        deep, low, plain = (received.body for received in server.received)
    assert deep["reasoning"] == {"budget": 32}
    assert deep["messages"][0]["role"] == "system"
    assert deep["messages"][0]["content"] == plain["messages"][0]["content"] + "\nThink as long as you must."
    assert (deep["max_completion_tokens"], low["max_completion_tokens"]) == (40, 64)
    assert low["reasoning_effort"] == "low"
    assert {**low, "reasoning_effort": None} == {**plain, "reasoning_effort": None}
    assert "reasoning_effort" not in plain
