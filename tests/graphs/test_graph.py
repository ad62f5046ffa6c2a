from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.errors import GraphError, UnknownName, UsageError
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.knob import adaptive, choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.records.message import Forward
from apportion.testing.hostile import hostile


def chain(kinds: Any, node: Any, *names: str) -> Graph:
    graph = Graph("chain", kinds=kinds)
    for name in names:
        graph.add(name, node)
    for source, target in itertools.pairwise(names):
        graph.connect(source, target)
    return graph


@pytest.fixture
def make(kinds: Any, echo: Any) -> Callable[..., Graph]:
    return lambda *names: chain(kinds, echo(model="small"), *names)


def test_one_node_is_a_graph() -> None:
    graph = Graph("one").add("solve", Solver(model="small"))
    assert graph.blueprint.final == "solve"
    assert graph.blueprint.entries == {"solve"}


def test_json_holds_all_and_keeps_the_hash(kinds: Any, echo: Any) -> None:
    graph = Graph("all", kinds=kinds)
    for name in ("search", "solve", "check", "split", "part", "merge", "vote"):
        graph.add(name, echo(width=choose(1, 2)))
    graph.connect("search", "solve", optional=True, forward=choose("full", "truncated")).start("solve")
    graph.connect("solve", "check").connect("check", "vote").connect("merge", "vote", optional=True)
    graph.each("split", "part", "merge").connect("split", "part", forward="answer")
    graph.loop("check", "solve", rounds=choose(1, adaptive(1, 4)), forward="answer")
    again = Graph.from_json(graph.to_json(), kinds=kinds)
    assert again.to_json() == graph.to_json()
    assert again.hash == graph.hash
    assert again.blueprint == graph.blueprint
    forwards = {edge.name: edge.forward for edge in again.edges}
    assert forwards["split->part"] is Forward.ANSWER
    assert forwards["split->merge"] is Forward.FULL


def test_the_hash_follows_every_change(make: Callable[..., Graph], echo: Any) -> None:
    graph = make("a", "b", "c")
    seen = {graph.hash}
    graph.connect("a", "c", optional=True)
    seen.add(graph.hash)
    graph.loop("c", "b")
    seen.add(graph.hash)
    graph.add("d", echo()).connect("c", "d")
    seen.add(graph.hash)
    assert len(seen) == 4


def test_the_order_of_edges_does_not_matter(kinds: Any, echo: Any) -> None:
    def built(order: list[tuple[str, str]]) -> Graph:
        graph = Graph("g", kinds=kinds)
        for name in "abc":
            graph.add(name, echo())
        for pair in order:
            graph.connect(*pair)
        return graph

    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert built(pairs).hash == built(pairs[::-1]).hash


def test_names_must_differ(make: Callable[..., Graph], echo: Any) -> None:
    with pytest.raises(GraphError, match="already has a node 'a'"):
        make("a").add("a", echo())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda graph: graph.connect("sovle", "check"),
        lambda graph: graph.connect("check", "sovle"),
        lambda graph: graph.each("check", "sovle", "check"),
        lambda graph: graph.loop("check", "sovle"),
        lambda graph: graph.finish("sovle"),
        lambda graph: graph.start("sovle"),
    ],
)
def test_an_unknown_node_names_the_nearest(wrong: Callable[[Graph], Any], make: Callable[..., Graph]) -> None:
    with pytest.raises(UnknownName, match="'sovle'; did you mean 'solve'"):
        wrong(make("solve", "check"))


def test_an_unknown_kind_names_the_nearest(echo: Any) -> None:
    with pytest.raises(UnknownName, match="node kind 'echo'"):
        Graph("g").add("a", echo())


def test_an_unknown_forward_policy_names_the_nearest(make: Callable[..., Graph]) -> None:
    with pytest.raises(UnknownName, match="'anser'; did you mean 'answer'"):
        make("a", "b", "c").connect("a", "c", forward=choose("full", "anser"))


@pytest.mark.parametrize("rounds", [0, True, 1.5, "2", adaptive(0, 2), choose(1, 0)])
def test_rounds_are_numbers_of_at_least_one(rounds: Any, make: Callable[..., Graph]) -> None:
    with pytest.raises(GraphError, match="loop 'b->a': rounds must be"):
        make("a", "b").loop("b", "a", rounds=rounds)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", ""),
        ("{", "not valid JSON"),
        ('{"name": "g"}', "field 'nodes'"),
        ('{"name": "g", "nodes": [1]}', "field 'nodes.0'"),
        ('{"name": 3}', "field 'name'"),
        ('{"name": "x\\ud83d"}', "field 'name': half of a surrogate pair"),
        ("[" * 3000, "too many brackets"),
    ],
)
def test_json_of_something_else(text: str, said: str) -> None:
    with pytest.raises(GraphError, match=f"not the JSON of a graph: .*{said}"):
        Graph.from_json(text)


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_graphs_are_refused_or_harmless(pool: Pool, generator: random.Random) -> None:
    graph = Graph("g").add("solve", Solver(samples=choose(1, 3, adaptive(1, 4)), style=choose("direct", "think")))
    graph.add("check", Verifier(method="score")).connect("solve", "check", forward=choose("full", "answer"))
    graph.loop("check", "solve", rounds=choose(1, adaptive(1, 2)))
    with contextlib.suppress(UsageError):
        again = Graph.from_json(json.dumps(hostile(json.loads(graph.to_json()), generator)))
        assert again.hash
        assert again.draw("svg")
        again.space(pool).default()


def test_json_of_another_version_of_a_kind(make: Callable[..., Graph], kinds: Any) -> None:
    content = json.loads(make("a").to_json())
    content["nodes"][0][1]["version"] = 7
    with pytest.raises(GraphError, match="version 7"):
        Graph.from_json(json.dumps(content), kinds=kinds)
