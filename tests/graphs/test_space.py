from __future__ import annotations

import random
from itertools import product
from typing import Any, ClassVar

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.errors import GraphError, PlanError, UnknownName
from apportion.graphs.graph import Graph
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.base import Context, Inputs, Kind, Node
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import adaptive, choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.records.message import Message


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


def test_inactive_parts_leave_the_plan(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    assert space.default().values == {"search->solve.forward": "full", "search.width": 1, "check->solve.rounds": 1}
    assert space.plan({"search.width": 2}, ["merge->vote"]).values == {}
    assert space.active(["merge->vote"]).names == {"solve", "split", "part", "merge", "vote"}
    assert space.active(["solve->check"]).names == {"solve", "check", "vote"}


def test_size_counts_what_iteration_yields(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    plans = list(space)
    assert len(plans) == len(set(plans)) == space.size == (4 + 1) * (3 + 1) * 2
    assert plans[0] == space.default()
    assert plans == list(wide.space(pool))


def test_model_knobs_range_over_the_pool(kinds: Any, echo: Any, pool: Pool) -> None:
    space = Graph("g", kinds=kinds).add("a", echo()).space(pool)
    assert space.knobs == {"a.model": ("small", "large")}


def test_equal_behaviour_is_one_plan(kinds: Any, echo: Any, pool: Pool) -> None:
    graph = Graph("row", kinds=kinds)
    for name in "abc":
        graph.add(name, echo(model="small"))
    graph.connect("a", "b", optional=True).connect("b", "c", optional=True).start("c")
    space = graph.space(pool)
    assert [plan.edges for plan in space] == [("a->b", "b->c"), ()]
    assert space.plan(edges=["a->b"]) == space.plan(edges=["b->c"]) == space.plan(edges=[])


def test_a_choice_of_edges_that_leaves_no_answer(kinds: Any, echo: Any, pool: Pool) -> None:
    graph = Graph("two", kinds=kinds)
    for name in "abc":
        graph.add(name, echo(model="small"))
    graph.connect("a", "c", optional=True).connect("b", "c", optional=True)
    space = graph.space(pool)
    assert space.size == 3
    with pytest.raises(PlanError, match="a->c, b->c all off, 'c' gets no input"):
        space.plan(edges=[])


def test_values_must_be_admitted(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    with pytest.raises(UnknownName, match=r"did you mean 'search\.width'"):
        space.plan({"search.widht": 1})
    with pytest.raises(PlanError, match=r"'search\.width' cannot be 3"):
        space.plan({"search.width": 3})
    with pytest.raises(PlanError, match="cannot be True"):
        space.plan({"search.width": True})
    with pytest.raises(UnknownName, match="did you mean 'merge->vote'"):
        space.plan(edges=["merge->vot"])
    assert space.plan({"check->solve.rounds": adaptive(1, 4)}).values["check->solve.rounds"] == {"low": 1, "high": 4}


def test_samples_reach_every_plan_and_follow_the_seed(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    generator = random.Random(5)
    drawn = [space.sample(generator) for _ in range(600)]
    assert set(drawn) == set(space)
    again = random.Random(5)
    assert [space.sample(again) for _ in range(20)] == drawn[:20]


def test_neighbours_differ_in_one_thing(wide: Graph, pool: Pool) -> None:
    space = wide.space(pool)
    found = space.neighbours(space.default())
    one_value = {space.plan({name: value}) for name, values in space.knobs.items() for value in values}
    one_edge = {space.plan(edges=set(space.optional_edges) - {edge}) for edge in space.optional_edges}
    assert set(found) == (one_value | one_edge) - {space.default()}
    assert len(found) == len(set(found))


def test_switching_an_edge_on_brings_what_it_needs(kinds: Any, echo: Any, pool: Pool) -> None:
    graph = Graph("row", kinds=kinds)
    for name in "abcd":
        graph.add(name, echo(model="small"))
    graph.connect("a", "b", optional=True).connect("b", "c", optional=True).connect("c", "d", optional=True).start("d")
    space = graph.space(pool)
    assert [plan.edges for plan in space.neighbours(space.plan(edges=[]))] == [("a->b", "b->c", "c->d")]


class _Plain(Node):
    kind: ClassVar[str] = "plain"


async def _never(node: _Plain, inputs: Inputs, context: Context) -> Message:
    raise AssertionError("nothing runs here")


_KINDS = kinds_with(Kind(config=_Plain, run=_never, worst_case=lambda *_: ()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_graphs_against_their_definition(pool: Pool, data: st.DataObject) -> None:
    """What runs lies on a path from an entry to the end; plans that run alike are one; each can be reached."""
    count = data.draw(st.integers(2, 5))
    names = [f"n{index}" for index in range(count)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    present = [pair for pair in pairs if data.draw(st.booleans()) or pair[1] == names[-1]]
    flags = {pair: data.draw(st.booleans()) for pair in present}
    graph = Graph("random", kinds=_KINDS)
    for name in names:
        graph.add(name, _Plain())
    for pair in present:
        graph.connect(*pair, optional=flags[pair])
    try:
        space = Space(graph, pool)
    except GraphError:
        with pytest.raises(GraphError, match="is optional, but without it"):
            Space(graph, pool)
        return
    optional = [pair for pair in present if flags[pair]]
    behaviours = set()
    for keep in product([False, True], repeat=len(optional)):
        on = {pair for pair, kept in zip(optional, keep, strict=True) if kept}
        drawn = nx.DiGraph([pair for pair in present if not flags[pair] or pair in on])
        drawn.add_nodes_from(names)
        entries = [name for name in names if all(pair[1] != name for pair in present)]
        alive = {
            n for n in names if any(nx.has_path(drawn, e, n) for e in entries) and nx.has_path(drawn, n, names[-1])
        }
        if names[-1] not in alive:
            with pytest.raises(PlanError):
                space.plan(edges=[f"{a}->{b}" for a, b in on])
            continue
        active = space.active([f"{a}->{b}" for a, b in on])
        assert active.names == alive
        behaviours.add(frozenset(edge.name for edge in active.edges))
    plans = list(space)
    assert len(plans) == len(behaviours) == space.size
    seen, waiting = {plans[0]}, [plans[0]]
    while waiting:
        fresh = [plan for plan in space.neighbours(waiting.pop()) if plan not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    assert seen == set(plans)


def test_a_knob_that_makes_no_difference_makes_no_plans(pool: Pool) -> None:
    graph = Graph("voted")
    graph.add("solve", Solver(model="small", samples=choose(1, 3), vote=choose("majority", "confidence")))
    graph.add("judge", Verifier(model=choose("small", "large"), method=choose("vote", "steps")))
    graph.connect("solve", "judge")
    space = graph.space(pool)
    plans = list(space)
    assert space.size == len(plans) == len(set(plans)) == 3 * 3
    assert space.plan({"judge.model": "large"}) == space.default()
    assert space.plan({"judge.model": "large", "judge.method": "steps"}).values["judge.model"] == "large"
    assert space.plan({"solve.vote": "confidence"}) == space.default()
    assert all(space.canonical(plan) == plan for plan in plans)
    assert set(space.neighbours(space.default())) == {
        space.plan({"solve.samples": 3}),
        space.plan({"judge.method": "steps"}),
    }
    generator = random.Random(0)
    assert {space.sample(generator) for _ in range(200)} == set(plans)
