from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.graphs.active import levels
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.knob import adaptive, choose
from apportion.nodes.solver import Solver
from apportion.testing.scripted import ScriptedModel


@pytest.fixture
def wide(kinds: Any, echo: Any) -> Graph:
    """A checked solver beside a decomposition, joined by a vote; search feeds the solver."""
    graph = Graph("wide", kinds=kinds)
    graph.add("search", echo(model="small", width=choose(1, 2)))
    for name in ("solve", "check", "split", "part", "merge", "vote"):
        graph.add(name, echo(model="small"))
    graph.connect("search", "solve", optional=True, forward=choose("full", "answer")).start("solve")
    graph.connect("solve", "check", optional=True).connect("solve", "vote").connect("check", "vote")
    graph.each("split", "part", "merge").connect("merge", "vote", optional=True)
    return graph.loop("check", "solve", rounds=choose(1, 2, adaptive(1, 4)))


@given(
    st.permutations([f"n{number}" for number in range(7)]),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1])),
)
def test_order_and_levels_are_networkxs(names: list[str], pairs: set[tuple[int, int]]) -> None:
    """The nodes are added in an order that has nothing to do with that of the edges."""
    edges = [(names[a], names[b]) for a, b in sorted(pairs)]
    edges += [(name, "last") for name in names if not any(name == source for source, _ in edges)]
    drawn: nx.DiGraph[str] = nx.DiGraph(edges)
    assert [set(level) for level in levels(names, edges)] == [set(each) for each in nx.topological_generations(drawn)]
    graph, added = Graph("g"), [*sorted(names), "last"]
    for name in added:
        graph.add(name, Solver(model="small"))
    for source, target in edges:
        graph.connect(source, target)
    pool = Pool([ScriptedModel(lambda request: "", name="small")])
    expected = nx.lexicographical_topological_sort(drawn, key=added.index)
    assert graph.space(pool).active([]).order == tuple(expected)


def test_groups_stop_as_a_whole(kinds: Any, echo: Any, pool: Pool) -> None:
    graph = Graph("g", kinds=kinds)
    for name in ("ask", "split", "part", "merge", "last"):
        graph.add(name, echo(model="small"))
    graph.connect("ask", "split", optional=True).connect("ask", "merge").connect("ask", "last")
    graph.each("split", "part", "merge").connect("merge", "last")
    assert graph.space(pool).active([]).names == {"ask", "last"}


def test_what_is_left_of_a_loop_runs_once(wide: Graph, pool: Pool) -> None:
    active = wide.space(pool).active([])
    assert active.bodies == ()
    assert active.names == {"solve", "vote"}
