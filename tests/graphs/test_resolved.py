from __future__ import annotations

from typing import Any

import pytest

from apportion.errors import PlanError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.resolved import resolve
from apportion.models.pool import Pool
from apportion.nodes.knob import adaptive
from apportion.records.message import Forward


def test_knobs_are_pinned_and_edges_resolved(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    values = {
        "ask.width": 2,
        "ask.model": "large",
        "ask->solve.forward": "answer",
        "check->solve.rounds": adaptive(1, 4),
    }
    resolved = resolve(space, space.plan(values))
    ask: Any = resolved.steps["ask"].node
    assert (ask.width, ask.model) == (2, "large")
    assert resolved.steps["solve"].sources == (("ask", Forward.ANSWER),)
    assert resolved.steps["part"].split == "split"
    assert resolved.steps["solve"].begins_round
    assert not resolved.steps["check"].begins_round
    assert (resolved.rounds["check->solve"].low, resolved.rounds["check->solve"].high) == (1, 4)
    order = list(resolved.steps)
    assert all(order.index(edge.source) < order.index(edge.target) for edge in resolved.active.edges)


def test_what_is_cut_is_not_there(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    resolved = resolve(space, space.plan(edges=[]))
    assert set(resolved.steps) == {"solve", "check", "vote"}
    assert resolved.steps["solve"].sources == ()


def test_a_plan_of_another_graph(wide: Graph, pool: Pool) -> None:
    with pytest.raises(PlanError, match="made for the graph with hash 0000"):
        resolve(wide.space(pool), Plan("0000", {}, ()))
