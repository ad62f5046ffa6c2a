"""What all nodes share: their canonical form, their model knobs, and what a kind says of itself."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import pytest

from apportion.cli.demo_graph import graph as demo
from apportion.cli.demo_graph import look_up
from apportion.graphs.graph import Graph
from apportion.nodes import (
    ANY_MODEL,
    CallBound,
    Decomposer,
    Kind,
    Knob,
    Merger,
    ModelKnob,
    Node,
    Search,
    Solver,
    SymbolicSolver,
    Verifier,
    adaptive,
    choose,
    kind_of,
    kinds_with,
    node_from_json,
)
from apportion.nodes.knob import ADDED
from apportion.records.message import CANDIDATES, Message

STORED: dict[str, Node] = {
    "40e16e62987697be": Solver(),
    "96feac73c6a196b0": Solver(model="a", thinking_tokens=32, stop="ahead_by_2"),
    "f977861dea55f070": Solver(
        model=choose("a", "b"),
        style=choose("direct", "think"),
        samples=choose(1, 3, adaptive(1, 5)),
        thinking_tokens=choose(None, 16),
        vote="first",
    ),
    "be1b206cbeabaa75": Decomposer(),
    "5b8bf3009b4c7f09": Decomposer(method="slices", max_parts=8),
    "b586ec186f2b0dc1": Decomposer(
        method=choose("model", "slices"), slice_letters=choose(20, 40), max_parts=choose(1, 4)
    ),
    "5bd3ddef494a3091": Merger(),
    "91a69bc647a7f7bb": Search(retriever=look_up),
    "85c930b14fad1d71": Search(retriever=look_up, keep=0.5, rounds=adaptive(1, 4)),
    "3d9a2c2c3f50cd65": Search(retriever="docs", model="m", rounds=choose(0, 2), keep=choose(None, 0.25)),
    "cd24ee7439c18aaf": Verifier(),
    "8ee920f9ec8f2b77": Verifier(method=choose("vote", "score", "steps"), threshold=choose(None, 0.5)),
    "7c34e594e6d72659": Search(retriever="docs", samples=4, temperature=0.7),
    "4b1f1a72bbb72c84": Decomposer(samples=adaptive(1, 5), stop="agree_2", temperature=0.7, red_flags=("unread",)),
    "aac5a4aae6fab638": Verifier(method="score", samples=3, vote="majority", temperature=0.7, redraws=choose(0, 2)),
    "9e620ce07a8b754f": SymbolicSolver(),
    "cd533e7aa674431f": SymbolicSolver(repair_rounds=choose(0, 2), seconds=3),
}
"""Nodes by the hash of a graph that has each as its only node, as stores and policy files hold it."""


@pytest.mark.parametrize("stored", STORED)
def test_graphs_keep_the_hash_under_which_they_are_stored(stored: str) -> None:
    assert Graph("one").add("n", STORED[stored]).hash == stored
    assert node_from_json(STORED[stored].canonical(), allow=("apportion",)) == STORED[stored]


def test_the_graph_of_the_demo_keeps_its_hash() -> None:
    assert demo.hash == "02461d3e4338e37c"


class Early(Node):
    kind: ClassVar[str] = "grown"

    width: int = 1


class Grown(Early):
    """The same kind some versions later."""

    mood: Annotated[Knob[str], ADDED] = "calm"
    tags: Annotated[tuple[str, ...], ADDED] = ()


def test_a_field_added_later_is_in_the_canonical_form_only_where_it_is_set() -> None:
    assert Grown().canonical() == Early().canonical()
    assert Grown(mood="calm", width=2).canonical() == Early(width=2).canonical()
    assert Grown(mood="wild").canonical() == {**Early().canonical(), "mood": "wild"}
    assert Grown(mood=choose("calm", "wild")).canonical()["mood"] == {"choose": ["calm", "wild"]}
    assert Grown(tags=("a",)).canonical()["tags"] == ["a"]
    for node in (Grown(), Grown(mood=choose("calm", "wild"), tags=("a", "b"))):
        assert node_from_json(node.canonical(), {"grown": _kind(Grown)}) == node


class Panel(Node):
    kind: ClassVar[str] = "panel"

    chair: ModelKnob = ANY_MODEL
    second: Knob[ModelKnob | None] = None
    title: Knob[str] = "*"
    note: str = "*"


def test_a_star_opens_what_is_marked_as_a_model_and_nothing_else() -> None:
    assert Panel.model_knobs() == {"chair", "second"}
    assert Panel().open_knobs(("a", "b")) == {"chair": ("a", "b")}
    both = Panel(second=choose(None, "b"), chair="a")
    assert both.open_knobs(("a", "b")) == {"second": (None, "b")}
    assert both.pinned({"second": "b"}, ("a", "b")).title == "*"
    assert Panel(second="*", chair="a").open_knobs(("a",)) == {"second": ("a",)}
    search = Search(retriever="*", model="a")
    assert search.open_knobs(("a", "b")) == {}
    assert node_from_json(search.canonical()) == search


def test_drawings_name_every_knob_that_holds_a_model() -> None:
    kinds = kinds_with(_kind(Panel))
    drawing = Graph("drawn", kinds=kinds).add("jury", Panel(second="b")).draw("mermaid")
    assert "chair: any" in drawing
    assert "second = b" in drawing
    assert "title" not in drawing


async def _silent(node: Any, inputs: Any, context: Any) -> Message:
    return Message(answer="?")


def _kind(config: type[Node], **said: Any) -> Kind[Any]:
    return Kind(config, _silent, lambda node, *_: (CallBound("b", 1, 1, 1), CallBound("a", 1, 1, 1, times=2)), **said)


def test_a_kind_that_says_nothing_of_itself_works_as_well() -> None:
    kind, node = _kind(Panel), Panel(chair="a")
    assert kind.called_by(node) == ("b", "a")
    assert (kind.oracle, kind.draws(node), kind.depth(node), kind.repeats(node)) == (None, None, None, 0)
    assert (kind.most_parts(node), kind.verified, kind.asks_per_source, kind.passes_on) == (
        CANDIDATES,
        False,
        False,
        False,
    )
    assert _kind(Panel, models=lambda node: (node.chair, node.chair)).called_by(node) == ("a",)


def test_a_node_without_calls_names_no_model() -> None:
    idle = (Verifier(method="vote"), Decomposer(model="m", max_parts=1), Decomposer(model="m", method="slices"))
    assert [kind_of(node).called_by(node) for node in idle] == [(), (), ()]
    asking = (Verifier(model="m", method="steps"), Decomposer(model="m"), Solver(model="m"), Merger(model="m"))
    assert {kind_of(node).called_by(node) for node in asking} == {("m",)}
