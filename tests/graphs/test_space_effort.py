"""Pairs that cannot go together with a model: efforts that it lacks, prompts in words that it has no place for."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest

from apportion.errors import GraphError, PlanError
from apportion.graphs.bounds import cheapest_bound
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.resolved import resolve
from apportion.graphs.space import Space
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.candidates import covering
from apportion.records.prompt import Prompt
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

CAREFUL = Prompt("Be careful.", name="careful")


def model(name: str, *efforts: str, **card: Any) -> ScriptedModel:
    about = ModelCard(name=name, reasoning_efforts=efforts, **card)
    return ScriptedModel(lambda request: "Answer: 1", name=name, card=about)


POOL = Pool([model("few", "low"), model("plain"), model("other", "medium", "high"), model("all", "low", "high")])
EFFORTS = choose("low", "medium", "high")


@pytest.fixture
def space() -> Space:
    return Graph("g").add("solve", Solver(effort=EFFORTS, samples=choose(1, 3))).space(POOL)


def pairs(plans: Any) -> set[tuple[str, str]]:
    return {(plan.values["solve.model"], plan.values["solve.effort"]) for plan in plans}


ADMITTED = {
    ("few", "low"),
    ("plain", "low"),  # once: the knob makes no difference there
    ("other", "medium"),
    ("other", "high"),
    ("all", "low"),
    ("all", "high"),
}


def test_a_space_has_the_pairs_that_models_have(space: Space) -> None:
    plans = list(space)
    assert len(plans) == len(set(plans)) == space.size == 2 * len(ADMITTED)
    assert pairs(plans) == ADMITTED
    assert plans[0] == space.default()
    assert all(space.canonical(plan) == plan for plan in plans)


def test_samples_and_neighbours_stay_within_it(space: Space) -> None:
    plans = set(space)
    generator = random.Random(3)
    assert {space.sample(generator) for _ in range(400)} == plans
    seen, waiting = {space.default()}, [space.default()]
    while waiting:
        fresh = [plan for plan in space.neighbours(waiting.pop()) if plan not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    assert seen == plans


def test_every_value_can_be_kept_with_the_fewest_others_changed(space: Space) -> None:
    for plan, (name, values) in product(space, space.knobs.items()):
        for value in values:
            near = space.nearest({**plan.values, name: value}, keep=name)
            assert near in set(space)
            changed = {knob for knob in near.values if near.values[knob] != plan.values[knob]}
            assert changed <= {"solve.model", "solve.effort"} or changed == {"solve.samples"}
    assert space.nearest({"solve.model": "other", "solve.effort": "low"}, keep="solve.model").values == {
        "solve.model": "other",
        "solve.effort": "medium",
        "solve.samples": 1,
    }


def test_a_plan_with_a_pair_that_is_left_out_says_what_the_model_has(space: Space) -> None:
    with pytest.raises(PlanError, match="node 'solve': model 'other' has no effort 'low'; it has medium, high"):
        space.plan({"solve.model": "other", "solve.effort": "low"})
    with pytest.raises(PlanError, match="it has low, high"):
        space.canonical(
            Plan(space.graph.hash, {"solve.model": "all", "solve.effort": "medium", "solve.samples": 1}, ())
        )
    assert space.plan({"solve.model": "other"}).values["solve.effort"] == "medium"
    assert space.plan({"solve.effort": "high"}).values["solve.model"] == "other"
    assert space.plan({"solve.model": "plain", "solve.effort": "high"}).values["solve.effort"] == "low"
    assert resolve(space, space.plan({"solve.model": "plain"})).steps["solve"].node.model_dump()["effort"] is None


def test_the_cheapest_plan_and_a_covering_are_found_all_the_same() -> None:
    solver = Solver(effort=EFFORTS, samples=choose(1, 3, 5, 7, 9), max_output_tokens=choose(64, 32, 16))
    pool = Pool([POOL.model(name) for name in ("few", "other", "all")])
    space = Graph("g").add("solve", solver).space(pool)
    assert space.size > 64, "knobs are lowered one by one only in larger spaces"
    task = Task(question="?")
    assert cheapest_bound(space, task, pool).plan.values["solve.max_output_tokens"] == 16
    covered = covering(space, 100, random.Random(1))
    assert set(covered) < set(space)
    for name, values in space.knobs.items():
        assert {plan.values[name] for plan in covered} == set(values)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Solver(effort="hihg"), "node 'solve': unknown effort 'hihg'; did you mean 'high'"),
        (Solver(model="few", effort=choose("low", "high")), "node 'solve': .*model 'few' has no effort 'high'"),
        (Solver(model="plain", effort="low"), "node 'solve': .*model 'plain' has no efforts"),
    ],
)
def test_an_effort_that_no_model_has_is_an_error(node: Solver, text: str) -> None:
    with pytest.raises(GraphError, match=text):
        Graph("g").add("solve", node).space(POOL)


def test_a_prompt_is_for_models_that_take_words() -> None:
    pool = Pool([model("pocket", dialect="pocket"), model("chat")])
    for prompt in (choose(None, CAREFUL), choose(CAREFUL, None)):
        open_ = Graph("g").add("solve", Solver(prompt=prompt)).space(pool)
        told = {(plan.values["solve.model"], plan.values["solve.prompt"]) for plan in open_}
        assert told == {("pocket", None), ("chat", None), ("chat", "careful")}
        assert open_.size == 3
        assert open_.default() in set(open_)
    fixed = Graph("g").add("solve", Solver(prompt=CAREFUL)).space(pool)
    assert fixed.knobs == {"solve.model": ("chat",)}
    with pytest.raises(
        GraphError, match=r"node 'solve': .*prompt 'careful': model 'pocket' speaks the dialect 'pocket'"
    ):
        Graph("g").add("solve", Solver(model="pocket", prompt=CAREFUL)).space(pool)
    with pytest.raises(GraphError, match="'pocket' speaks"):
        Graph("g").add("solve", Solver(model="pocket", prompt=choose(None, CAREFUL))).space(pool)


def test_where_no_call_is_made_nothing_is_left_out() -> None:
    judge = Verifier(method=choose("vote", "score"), model=choose("few", "other"), effort=choose("low", "medium"))
    graph = Graph("g").add("solve", Solver(model="plain")).add("judge", judge).connect("solve", "judge")
    space = graph.space(POOL)
    told = {tuple(plan.values[f"judge.{knob}"] for knob in ("method", "model", "effort")) for plan in space}
    assert told == {("vote", "few", "low"), ("score", "few", "low"), ("score", "other", "medium")}
    assert space.size == len(told)
