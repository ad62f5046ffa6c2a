from __future__ import annotations

from typing import Any

import pytest

from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.knob import adaptive, choose


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
