from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.optimizers.policies.registry import policies_named
from apportion.optimizers.search.registry import optimizer_named
from apportion.optimizers.study.spec import StudySpec
from apportion.records import Task
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel


def graph(tokens: int) -> Graph:
    return Graph("g").add("solve", Solver(max_output_tokens=tokens))


def pool(**card: Any) -> Pool:
    return Pool([ScriptedModel(lambda request: "", name="m", card=ModelCard(name="m", **card))])


TASKS = tuple(Task(question=f"Is {number} fine?", gold="yes") for number in range(4))
SPEC = StudySpec(
    graph=graph(20),
    space=graph(20).space(pool()),
    tasks=TASKS,
    pool=pool(),
    cap=Cap(total=100),
    spend=1000.0,
    store=MemoryStore(),
    seed=1,
    scorer=resolve_metric("auto"),
    metric="auto",
    make_optimizer=optimizer_named("racing"),
    optimizer="racing",
    policies=policies_named(("static", "joint")),
)
OTHERS: dict[str, list[Any]] = {
    "graph": [graph(30)],
    "tasks": [TASKS[:3], (*TASKS[:3], TASKS[3].model_copy(update={"gold": "no"}))],
    "pool": [
        pool(weight=2.0),
        pool(revision="2"),
        pool(efforts={"low": {"thinking": 9}}),
        pool(efforts={"low": {"thinking": 10}}),
    ],
    "cap": [Cap(total=101), Cap(per_task=100), Cap(total=100, unit="weighted")],
    "spend": [1001.0],
    "seed": [2],
    "target_score": [0.5],
    "metric": ["numeric"],
    "optimizer": ["tpe"],
    "policies": [policies_named(["static"]), {}],
    "wrong_costs": [1.0, 2.0],
    "code": [{"kind 'mine'": "version 1"}, {"kind 'mine'": "version 2"}],
}
BY_ANOTHER_FIELD = {"space": "graph", "scorer": "metric", "make_optimizer": "optimizer"}
SAME = {"store"}


@pytest.mark.parametrize("name", [field.name for field in fields(StudySpec)])
def test_every_argument_makes_another_study(name: str) -> None:
    assert (name in OTHERS) + (name in BY_ANOTHER_FIELD) + (name in SAME) == 1, f"say here what becomes of {name}"
    made = [SPEC, *(replace(SPEC, **{name: other}) for other in OTHERS.get(name, ()))]
    assert len({spec.study_id for spec in made}) == len(made)


def test_the_same_study_elsewhere_and_in_another_order_is_the_same() -> None:
    assert replace(SPEC, store=MemoryStore(), tasks=TASKS[::-1]).study_id == SPEC.study_id
