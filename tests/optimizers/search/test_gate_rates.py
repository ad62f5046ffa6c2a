from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion import Gate, Graph, Pool, Solver, Verifier, choose
from apportion.graphs.gate import GateReading
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.nodes.search import Search
from apportion.optimizers.search.gate_rates import GateRates
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel

EDGE = "small->large"
KNOB = f"{EDGE}.when"
POOL = Pool([ScriptedModel(lambda _: "", name=name) for name in ("small", "large")])


def handed_on(gate: Gate | None = None) -> Space:
    """A small model, a large one where the gate opens, and what it said read by a third."""
    graph = Graph("handed").add("small", Solver(model="small", samples=choose(1, 3)))
    graph.add("large", Solver(model="large")).add("after", Solver(model="large")).add("pick", Verifier(method="last"))
    graph.connect("small", "large", when=gate or Gate("confidence", below=choose(0.8, 0.4)), optional=True)
    graph.connect("large", "after").connect("small", "pick").connect("after", "pick")
    return graph.space(POOL)


def ran(values: Sequence[float | bool | None], edge: str = EDGE) -> list[Outcome]:
    return [
        Outcome(f"t{n}", Status.OK, 1.0, 1.0, 0.0, gates=(GateReading(edge, value),)) for n, value in enumerate(values)
    ]


def share(rates: GateRates, plan: Plan, node: str = "large") -> float:
    return rates.shares(rates.route(plan))[node]


def test_a_gate_of_which_nothing_is_known_counts_as_open() -> None:
    space = handed_on()
    rates = GateRates(space, ["a", "b"])
    assert all(share(rates, plan, node) == 1.0 for plan in space for node in space.active(plan.edges).names)


def test_one_plan_tells_of_all_thresholds() -> None:
    space = handed_on()
    rates = GateRates(space)
    rates.note(space.plan({KNOB: None}), ran([0.1, 0.5, 0.5, 0.9] * 100))
    assert share(rates, space.plan({KNOB: 0.8})) == pytest.approx(0.75, abs=0.01)
    assert share(rates, space.plan({KNOB: 0.4})) == pytest.approx(0.25, abs=0.02)
    assert share(rates, space.plan({KNOB: None})) == 1.0
    assert share(rates, space.plan({KNOB: 0.4}), "after") == share(rates, space.plan({KNOB: 0.4}), "large")
    assert share(rates, space.plan({KNOB: 0.4}), "small") == share(rates, space.plan({KNOB: 0.4}), "pick") == 1.0


def test_what_is_not_known_of_a_message_opens_below_and_not_above() -> None:
    for gate, expected in ((Gate("confidence", below=0.5), 1.0), (Gate("confidence", above=0.5), 0.0)):
        space = handed_on(gate)
        rates = GateRates(space)
        rates.note(space.default(), ran([None] * 400))
        assert share(rates, space.default()) == pytest.approx(expected, abs=0.02)


def test_a_signal_that_is_told_has_a_rate_too() -> None:
    space = handed_on(Gate("rejected"))
    rates = GateRates(space)
    rates.note(space.default(), ran([True, False] * 200))
    assert share(rates, space.default()) == pytest.approx(0.5, abs=0.02)


def test_families_are_told_apart_where_there_are_enough_runs() -> None:
    """The fit part has as many of either family; the first 40 tasks that were met are of one."""
    space = handed_on()
    plan = space.plan({KNOB: 0.8})
    families = ["sure"] * 40 + ["unsure"] * 40
    rates = GateRates(space, families)
    rates.note(plan, ran([0.9] * 40))
    of_others = share(rates, plan)
    assert of_others < 0.15  # of the unsure nothing is known but what is known over all
    rates.note(plan, ran([0.1] * 2), start=40)
    few = share(rates, plan)
    rates.note(plan, ran([0.1] * 38), start=42)
    many = share(rates, plan)
    assert of_others < few < many
    assert many == pytest.approx(0.5, abs=0.06)


def test_other_settings_before_the_gate_are_told_apart_and_say_something_of_those_not_seen() -> None:
    space = handed_on()
    one, three = (space.plan({KNOB: 0.8, "small.samples": samples}) for samples in (1, 3))
    rates = GateRates(space)
    rates.note(one, ran([0.9] * 100))
    assert share(rates, three) == pytest.approx(share(rates, one), abs=0.05)
    rates.note(three, ran([0.1] * 100))
    assert share(rates, one) < 0.1
    assert share(rates, three) > 0.9


def test_of_several_gates_before_a_node_one_is_enough() -> None:
    graph = Graph("two")
    for name in ("a", "b", "c"):
        graph.add(name, Solver(model="small"))
    graph.add("pick", Verifier(method="last"))
    for source in "ab":
        graph.connect(source, "c", when=Gate("confidence", below=0.5)).connect(source, "pick")
    space = graph.connect("c", "pick").space(POOL)
    rates = GateRates(space)
    rates.note(space.default(), ran([0.1, 0.9] * 500, "a->c"))
    rates.note(space.default(), ran([0.1, 0.9] * 500, "b->c"))
    assert share(rates, space.default(), "c") == pytest.approx(0.75, abs=0.01)
    assert rates.shares(rates.route(space.default()))["a->c"] == pytest.approx(0.5, abs=0.01)


def test_a_node_that_starts_runs_whatever_its_gates_do() -> None:
    graph = Graph("start").add("a", Solver(model="small")).add("b", Solver(model="small"))
    graph.connect("a", "b", when=Gate("failed")).start("b")
    space = graph.space(POOL)
    rates = GateRates(space)
    rates.note(space.default(), ran([False] * 100, "a->b"))
    assert share(rates, space.default(), "b") == 1.0


def test_a_search_behind_a_gate_and_readings_of_an_edge_that_is_not_there() -> None:
    graph = Graph("search").add("a", Solver(model="small")).add("s", Search(model="small", retriever=lambda q, k: []))
    graph.add("pick", Verifier(method="last")).connect("a", "s", when=Gate("failed")).connect("a", "pick")
    space = graph.connect("s", "pick").space(POOL)
    rates = GateRates(space).knowing([Measurement(space.default(), tuple(ran([False] * 50, "x->y")))])
    assert share(rates, space.default(), "s") == 1.0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from("ab")), max_size=30),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from("ab")), max_size=30),
)
def test_a_higher_threshold_opens_more_often_and_the_order_of_runs_says_nothing(
    first: list[tuple[float, str]], second: list[tuple[float, str]]
) -> None:
    space = handed_on()
    everything = [*first, *second]
    families = [family for _, family in everything]
    plan = space.plan({KNOB: 0.8})
    at_once, by_two = GateRates(space, families), GateRates(space, families)
    at_once.note(plan, ran([value for value, _ in everything]))
    by_two.note(plan, ran([value for value, _ in second]), start=len(first))
    by_two.note(plan, ran([value for value, _ in first]))
    low, high, always = (share(at_once, space.plan({KNOB: value})) for value in (0.4, 0.8, None))
    assert 0 <= low <= high + 1e-9
    assert high <= always == 1.0
    for value in (0.4, 0.8, None):
        assert share(by_two, space.plan({KNOB: value})) == pytest.approx(share(at_once, space.plan({KNOB: value})))
