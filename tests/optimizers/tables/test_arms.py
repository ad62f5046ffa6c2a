from __future__ import annotations

import json

import pytest

from apportion.errors import PlanError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.symbolic_solver import SymbolicSolver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.tables.arms import arm_of, plan_of
from apportion.optimizers.tables.table import Arm, Stage
from apportion.testing.scripted import ScriptedModel


@pytest.fixture
def graph() -> Graph:
    built = Graph("arms")
    built.add("solve", Solver(samples=choose(1, 3), style=choose("direct", "think")))
    built.add("fixed", Solver(model="large", style="direct"))
    built.add("judge", Verifier(method=choose("vote", "score")))
    built.connect("solve", "judge", optional=True).connect("fixed", "judge", optional=True)
    return built


@pytest.fixture
def pool() -> Pool:
    return Pool([ScriptedModel(lambda request: "Answer: 1", name=name) for name in ("small", "large")])


def test_models_are_those_of_active_nodes_that_call_one(graph: Graph, pool: Pool) -> None:
    space = graph.space(pool)
    everything = space.plan({"judge.method": "score", "judge.model": "large"})
    assert arm_of(everything, space).models == (("fixed", "large"), ("judge", "large"), ("solve", "small"))
    voted = space.plan({"solve.model": "large"}, ["solve->judge"])
    arm = arm_of(voted, space)
    assert arm.models == (("solve", "large"),)
    assert arm.single
    assert not arm_of(everything, space).single


def test_plans_that_differ_in_models_only_have_one_setting(graph: Graph, pool: Pool) -> None:
    space = graph.space(pool)
    small, large = (arm_of(space.plan({"solve.model": name, "solve.samples": 3}), space) for name in pool.names)
    assert small.setting == large.setting
    assert small.name != large.name
    setting = json.loads(small.setting)
    assert setting["values"] == {"judge.method": "vote", "solve.samples": 3, "solve.style": "direct"}
    assert sorted(setting["edges"]) == ["fixed->judge", "solve->judge"]
    assert setting["kinds"] == {"solve": "solver", "fixed": "solver", "judge": "verifier"}


def test_an_arm_is_verified_if_the_kind_of_a_node_that_runs_is(pool: Pool) -> None:
    graph = Graph("symbols").add("solve", Solver(style="direct")).add("judge", Verifier(method="vote"))
    graph.add("rules", SymbolicSolver(repair_rounds=0))
    graph.connect("solve", "judge", optional=True).connect("rules", "judge", optional=True)
    space = graph.space(pool)
    assert arm_of(space.plan({}, ["rules->judge"]), space).verified
    assert not arm_of(space.plan({}, ["solve->judge"]), space).verified


def test_the_plan_comes_back(graph: Graph, pool: Pool) -> None:
    space = graph.space(pool)
    for plan in space:
        arm = arm_of(plan, space)
        assert (arm.name, plan_of(arm)) == (plan.hash, plan)


def test_arms_are_told_apart_by_models_and_setting(graph: Graph, pool: Pool) -> None:
    space = graph.space(pool)
    arms = [arm_of(plan, space) for plan in space]
    assert len({(arm.models, arm.setting) for arm in arms}) == len(arms) == space.size


def test_an_arm_of_a_log_has_no_plan(graph: Graph, pool: Pool) -> None:
    with pytest.raises(PlanError):
        plan_of(Arm("gpt", stages=(Stage("gpt", 0.0),)))
    with pytest.raises(PlanError, match="graph"):
        arm_of(Plan("another", {}, ()), graph.space(pool))
