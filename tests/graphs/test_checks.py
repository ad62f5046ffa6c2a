from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from apportion import Role, Workflow
from apportion.errors import GraphError
from apportion.graphs.graph import Graph


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


@pytest.mark.parametrize("name", ["a:b", "a|b", "a->b", "a.b", "", "task", "out", "__start__", "-a", "a b"])
def test_names_that_would_be_read_wrongly(name: str, kinds: Any, echo: Any) -> None:
    with pytest.raises(GraphError, match="node name"):
        Graph("g", kinds=kinds).add(name, echo())


def test_cycles_are_loops_or_errors(make: Callable[..., Graph]) -> None:
    with pytest.raises(GraphError, match="a->b->c->a form a cycle"):
        _ = make("a", "b", "c").connect("c", "a").hash
    assert make("a", "b", "c").loop("c", "a").hash


def test_several_sinks_need_a_final_node(make: Callable[..., Graph], echo: Any) -> None:
    graph = make("a", "b").add("c", echo()).connect("a", "c")
    with pytest.raises(GraphError, match=r"several nodes without outgoing edges: 'b', 'c'.*finish"):
        _ = graph.blueprint


def test_a_loop_can_end_in_its_checked_node(make: Callable[..., Graph]) -> None:
    graph = make("solve", "check").loop("check", "solve").finish("solve")
    assert graph.blueprint.final == "solve"


def test_a_node_that_cannot_reach_the_answer(make: Callable[..., Graph], echo: Any) -> None:
    with pytest.raises(GraphError, match="node 'c' can never reach the final node 'b'"):
        _ = make("a", "b").add("c", echo()).connect("a", "c").finish("b").blueprint


def test_loops_lead_back(make: Callable[..., Graph]) -> None:
    with pytest.raises(GraphError, match="leads back to nothing"):
        _ = make("a", "b").loop("a", "b").hash
    with pytest.raises(GraphError, match="to itself"):
        make("a", "b").loop("a", "a")


def test_loops_must_not_share_nodes(make: Callable[..., Graph]) -> None:
    with pytest.raises(GraphError, match="overlap in 'b'"):
        _ = make("a", "b", "c").loop("b", "a").loop("c", "b").hash


def test_an_optional_edge_that_the_answer_needs(make: Callable[..., Graph]) -> None:
    graph = make("a", "b").add("c", make("x").nodes["x"]).connect("b", "c", optional=True)
    with pytest.raises(GraphError, match=r"edge 'b->c' is optional, but without it .*start\('c'\)"):
        _ = graph.blueprint
    assert graph.start("c").blueprint.optional == ("b->c",)


def test_groups(make: Callable[..., Graph], echo: Any) -> None:
    def three() -> Graph:
        return make("a", "split").add("part", echo()).add("merge", echo())

    assert three().each("split", "part", "merge").blueprint.final == "merge"
    with pytest.raises(GraphError, match="joins a node to itself"):
        _ = three().each("split", "part", "split").hash
    with pytest.raises(GraphError, match=r"leaves .* from inside"):
        _ = three().each("split", "part", "merge").add("b", echo()).connect("part", "b").connect("merge", "b").hash
    with pytest.raises(GraphError, match="cannot be optional"):
        _ = three().connect("split", "part", optional=True).each("split", "part", "merge").hash
    with pytest.raises(GraphError, match="partly inside a loop"):
        _ = three().each("split", "part", "merge").loop("split", "a").hash
    with pytest.raises(GraphError, match="shares a node"):
        _ = three().add("b", echo()).each("split", "part", "merge").each("split", "b", "merge").hash
    assert three().each("split", "part", "merge").loop("merge", "a").hash


def test_too_many_optional_edges(kinds: Any, echo: Any) -> None:
    graph = Graph("fan", kinds=kinds).add("last", echo()).start("last")
    for number in range(17):
        graph.add(f"n{number}", echo()).connect(f"n{number}", "last", optional=True)
    with pytest.raises(GraphError, match="17 optional edges; at most 16"):
        _ = graph.hash


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("roles", [["worker", "nowhere"]], "'nowhere', which must be of the kind 'role'; there is none"),
        ("roles", [["worker", "app"]], "'app', which must be of the kind 'role'; it is of the kind 'app'"),
        ("steps", [["rerank", "worker"]], "must be of the kind 'app_step'; it is of the kind 'role'"),
        ("roles", [], "node 'worker' is of the kind 'role' and runs only when an app asks it"),
    ],
)
def test_a_file_whose_app_asks_what_is_no_role_is_refused(setting: str, value: Any, told: str) -> None:
    content = json.loads(Workflow(["echo", "x"], {"worker": Role()}).to_json())
    dict(content["nodes"])["app"][setting] = value
    with pytest.raises(GraphError, match=re.escape(told)):
        _ = Graph.from_json(json.dumps(content), allow=("app:echo x",)).blueprint


def test_nodes_that_are_asked_lead_to_who_asks() -> None:
    graph = Workflow(["echo", "x"], {"worker": Role()})
    graph.add("second", graph.nodes["app"]).connect("app", "second")
    with pytest.raises(GraphError, match=r"connect\('worker', 'second'\)"):
        _ = graph.blueprint
