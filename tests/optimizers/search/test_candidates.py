from __future__ import annotations

import random

import pytest

from apportion.graphs.gate import Gate, GateReading
from apportion.graphs.graph import Graph
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.candidates import Candidates, covering
from apportion.optimizers.search.gate_rates import GateRates
from apportion.optimizers.search.measurement import Outcome
from apportion.records.status import Status
from apportion.testing.optimizer import planted_space
from apportion.testing.scripted import ScriptedModel


def large_space() -> Space:
    graph = Graph("large")
    for name, source in (("a", ""), ("b", "a"), ("c", "b")):
        graph.add(
            name, Solver(style=choose("direct", "draft", "think"), samples=choose(1, 3, 5), model=choose("x", "y"))
        )
        if source:
            graph.connect(source, name)
    return graph.space(Pool([ScriptedModel(lambda _: "", name=name) for name in ("x", "y")]))


@pytest.mark.parametrize("seed", range(3))
def test_few_plans_cover_every_value_and_node(seed: int) -> None:
    space = planted_space()
    plans = covering(space, 60, random.Random(seed))
    assert plans[0] == space.default()
    assert len(plans) < 10
    for name, values in space.knobs.items():
        assert {plan.values[name] for plan in plans if name in plan.values} == set(values)
    few = covering(space, 2, random.Random(seed))
    assert len(few) == 2
    # Where there is room for few, those with the fewest nodes come first.
    sizes = [len(space.active(plan.edges).names) for plan in plans]
    assert [len(space.active(plan.edges).names) for plan in few] == sorted(sizes)[:2]


def test_a_small_space_is_there_as_a_whole() -> None:
    space = planted_space()
    field = Candidates(space, random.Random(0))
    assert field.complete
    assert {plan.hash for plan in field.plans} == {plan.hash for plan in space}
    assert field.numbers([field.plans[7], field.plans[2]]).tolist() == [7, 2]
    assert field.features.shape[0] == field.items.shape[0] == space.size


def test_plans_stay_where_they_are_when_others_come() -> None:
    space = large_space()
    assert space.size > 4000
    field = Candidates(space, random.Random(0))
    assert not field.complete
    before = list(field.plans)
    near = field.near(before[:1], before[1:9], random.Random(1))
    field.add([*before[:3], *near])
    assert field.plans[: len(before)] == before
    assert len(field.plans) == len(before) + len(near) == len({plan.hash for plan in field.plans})
    assert {plan.hash for plan in near} & {plan.hash for plan in space.neighbours(before[0])}


def test_each_use_has_the_share_of_the_tasks_on_which_it_is_expected() -> None:
    """What is before a gate is used on all tasks, what is behind it where it opens; one item for all thresholds."""
    graph = Graph("gated").add("first", Solver(model="x")).add("second", Solver(model="x"))
    graph.add("pick", Verifier(method="last")).connect("first", "pick").connect("second", "pick")
    graph.connect("first", "second", when=Gate("confidence", below=choose(0.9, 0.5)), optional=True)
    space = graph.space(Pool([ScriptedModel(lambda _: "", name="x")]))
    field = Candidates(space, random.Random(0))
    rates = GateRates(space)
    opened, half, without = (
        space.plan({"first->second.when": None}),
        space.plan({"first->second.when": 0.5}),
        space.plan(edges=[]),
    )
    rows = field.numbers([opened, half, without])
    assert field.shares(rates).tolist() == [[1.0, 1.0]] * space.size
    values = [0.1, 0.7, 0.95, 0.99] * 100
    outcomes = [
        Outcome(f"t{n}", Status.OK, 1.0, 1.0, 0.0, gates=(GateReading("first->second", v),))
        for n, v in enumerate(values)
    ]
    rates.note(opened, outcomes)
    assert field.items[rows[0]].tolist() == field.items[rows[1]].tolist()
    shares = field.shares(rates)[rows]
    assert shares[0].tolist() == [1.0, 1.0]
    assert shares[1] == pytest.approx([1.0, 0.25], abs=0.02)
    assert shares[2][0] == 1.0
    assert (field.draws[rows[2]] > 0).sum() == 1
    # Plans that come later are known too.
    field.add([space.plan({"first->second.when": 0.9})])
    assert field.shares(rates).shape == field.items.shape
