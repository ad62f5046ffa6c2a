from __future__ import annotations

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.errors import PlanError, UnknownName, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.records.message import Forward
from apportion.testing.hostile import hostile


@pytest.fixture
def two(kinds: Any, echo: Any) -> Graph:
    graph = Graph("two", kinds=kinds).add("solve", echo(width=choose(1, 2))).add("check", echo(model="small"))
    return graph.connect("solve", "check", forward=choose("full", "answer"))


def test_json_and_hash(two: Graph, pool: Pool) -> None:
    plan = two.space(pool).default()
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.hash == plan.hash
    assert len({plan, again}) == 1
    assert plan.values == {"solve.model": "small", "solve.width": 1, "solve->check.forward": "full"}


def test_the_order_of_arguments_does_not_matter() -> None:
    one = Plan("g", {"a.x": 1, "b.x": Forward.FULL}, ("a->b", "b->c"))
    two = Plan("g", {"b.x": "full", "a.x": 1}, ("b->c", "a->b"))
    assert one.hash == two.hash


def test_plans_cannot_be_changed(two: Graph, pool: Pool) -> None:
    plan = two.space(pool).default()
    with pytest.raises(TypeError):
        plan.values["solve.width"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        plan.edges = ()  # type: ignore[misc]


def test_a_plan_of_another_graph_is_refused_by_hash(two: Graph, pool: Pool, echo: Any) -> None:
    plan = two.space(pool).default()
    old = two.hash
    two.add("last", echo()).connect("check", "last")
    with pytest.raises(PlanError, match=f"graph with hash {old}, but graph 'two' has {two.hash}"):
        two.space(pool).canonical(plan)


def test_unknown_knobs_and_missing_values(two: Graph, pool: Pool) -> None:
    plan = two.space(pool).default()
    assert two.space(pool).canonical(plan) == plan
    with pytest.raises(UnknownName, match=r"did you mean 'solve\.width'"):
        two.space(pool).canonical(Plan(two.hash, {**plan.values, "solve.with": 1}, ()))
    with pytest.raises(PlanError, match=r"no value for knob 'solve\.width'"):
        two.space(pool).canonical(Plan(two.hash, {"solve.model": "small", "solve->check.forward": "full"}, ()))
    with pytest.raises(PlanError, match=r"'solve.model' cannot be 'huge'; it may be one of \('small', 'large'\)"):
        two.space(pool).canonical(Plan(two.hash, {**plan.values, "solve.model": "huge"}, ()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ('{"graph": "g", "values": {"a.b": NaN}, "edges": []}', r"field 'values\.a\.b': a number must be finite"),
        ('{"graph": "g\\ud83d", "values": {}, "edges": []}', "field 'graph': half of a surrogate pair"),
        ('{"graph": "g", "values": {}, "edges": ["\\ud83d"]}', r"field 'edges\[0\]': half of a surrogate pair"),
        ('{"graph": "g", "values": ' + "[" * 2000 + "]" * 2000 + "}", "too many brackets"),
        ("[]", "a plan is a JSON object"),
        ('{"graph": "g", "values": {}}', "a plan is a JSON object"),
        ('{"graph": 1, "values": {}, "edges": []}', "field 'graph'"),
        ('{"graph": "g", "values": [], "edges": []}', "field 'values'"),
        ('{"graph": "g", "values": {}, "edges": [1]}', "field 'edges'"),
    ],
)
def test_json_of_something_else(text: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        Plan.from_json(text)


def test_the_settings_of_one_node_without_those_of_its_edges(two: Graph, pool: Pool) -> None:
    plan = two.space(pool).default()
    assert plan.settings("solve") == {"model": "small", "width": 1}
    assert plan.settings("check") == plan.settings("nowhere") == {}


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_plans_are_refused_or_harmless(two: Graph, pool: Pool, generator: random.Random) -> None:
    space = two.space(pool)
    content = json.loads(space.default().to_json())
    with contextlib.suppress(UsageError):
        plan = Plan.from_json(json.dumps(hostile(content, generator)))
        assert space.canonical(plan).hash
