from __future__ import annotations

from collections.abc import Sequence

import pytest

from apportion import Gate, Graph, Pool, Solver, Verifier, choose
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.optimizers.analysis.gate_twins import twin_differences, twins_of
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel

POOL = Pool([ScriptedModel(lambda _: "", name="m")])
KNOB = "small->large.when"


def space_of(gate: Gate, *, optional: bool = True, way_out: bool = False, reader: bool = False) -> Space:
    graph = Graph("twins").add("small", Solver(model="m")).add("large", Solver(model="m"))
    graph.add("pick", Verifier(method="last")).connect("small", "large", when=gate, optional=optional)
    if reader:
        graph.add("other", Solver(model="m")).connect("other", "large").connect("other", "pick")
    return graph.connect("small", "pick").connect("large", "pick", optional=way_out).space(POOL)


CHOICE = Gate("confidence", below=choose(0.9, 0.5))


def test_the_twins_have_the_gate_always_open_and_the_edge_off() -> None:
    space = space_of(CHOICE)
    plan = space.plan({KNOB: 0.9})
    twins = twins_of(space, plan, "small->large")
    assert twins.open == space.plan({KNOB: None})
    assert twins.shut == space.plan(edges=[])
    assert twins.plans == (twins.open, twins.shut)


def test_where_the_edge_is_not_optional_the_branch_behind_it_is_left_out() -> None:
    space = space_of(CHOICE, optional=False, way_out=True)
    twins = twins_of(space, space.default(), "small->large")
    assert twins.shut == space.plan(edges=[])
    space = space_of(CHOICE, optional=False)
    assert twins_of(space, space.default(), "small->large").shut is None


def test_what_is_left_must_read_what_it_reads_where_the_gate_is_shut() -> None:
    """With its other source the node runs all the same, so leaving it out is no twin."""
    space = space_of(CHOICE, optional=False, way_out=True, reader=True)
    assert twins_of(space, space.default(), "small->large").shut is None
    space = space_of(CHOICE, reader=True)
    shut = twins_of(space, space.default(), "small->large").shut
    assert shut is not None
    assert "large" in space.active(shut.edges).names


@pytest.mark.parametrize(
    ("gate", "value"), [(Gate("confidence", below=0.9), None), (Gate("rejected"), None), (CHOICE, None)]
)
def test_a_threshold_that_is_no_choice_or_always_open_has_no_open_twin(gate: Gate, value: None) -> None:
    space = space_of(gate)
    plan = space.plan({KNOB: value} if gate is CHOICE else {})
    twins = twins_of(space, plan, "small->large")
    assert twins.open is None
    assert twins.shut is not None


def test_other_gates_and_edges_stay_as_they_are() -> None:
    graph = Graph("chain")
    for name in ("a", "b", "c"):
        graph.add(name, Solver(model="m"))
    graph.add("pick", Verifier(method="last"))
    for source, target in (("a", "b"), ("b", "c")):
        graph.connect(source, target, when=CHOICE, optional=True).connect(source, "pick")
    space = graph.connect("c", "pick").space(POOL)
    plan = space.plan({"a->b.when": 0.9, "b->c.when": 0.5})
    first, second = (twins_of(space, plan, edge) for edge in ("a->b", "b->c"))
    assert first.open == space.plan({"a->b.when": None, "b->c.when": 0.5})
    assert first.shut == space.plan(edges=[])
    assert second.open == space.plan({"a->b.when": 0.9, "b->c.when": None})
    assert second.shut == space.plan({"a->b.when": 0.9}, edges=["a->b"])


def measured(plan: Plan, scores: Sequence[float], costs: Sequence[float], start: int = 0) -> Measurement:
    pairs = enumerate(zip(scores, costs, strict=True), start)
    return Measurement(plan, tuple(Outcome(f"t{n}", Status.OK, score, cost, 0.0) for n, (score, cost) in pairs))


def test_differences_are_paired_over_the_questions_that_all_ran_on() -> None:
    space = space_of(CHOICE)
    plan = space.default()
    gated = measured(plan, [1, 1, 0, 1], [10, 30, 30, 10])
    opened, shut = measured(plan, [1, 1, 1], [30, 30, 30]), measured(plan, [1, 0, 0, 1], [10, 10, 10, 10])
    found = twin_differences(gated, opened, shut, seed=0)
    assert found.n == 3
    assert found.brought is not None
    assert found.saved is not None
    assert found.lost is not None
    assert found.brought.mean == pytest.approx(1 / 3)
    assert found.saved.mean == pytest.approx(20 / 3)
    assert found.lost.mean == pytest.approx(1 / 3)
    assert found.brought.low <= found.brought.mean <= found.brought.high


def test_where_no_twin_ran_nothing_is_claimed() -> None:
    plan = space_of(CHOICE).default()
    gated = measured(plan, [1, 0], [10, 30])
    none = twin_differences(gated, None, None, seed=0)
    assert (none.brought, none.saved, none.lost, none.n) == (None, None, None, 0)
    elsewhere = twin_differences(gated, measured(plan, [1, 1], [9, 9], start=7), None, seed=0)
    assert (elsewhere.brought, elsewhere.saved, elsewhere.lost, elsewhere.n) == (None, None, None, 0)
    shut = twin_differences(gated, None, measured(plan, [1], [9]), seed=0)
    assert (shut.saved, shut.lost, shut.n) == (None, None, 1)
    assert shut.brought is not None
