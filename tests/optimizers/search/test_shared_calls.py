from __future__ import annotations

import pytest

from apportion.graphs.gate import Gate
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.kinds import KINDS
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.shared_calls import Item, SharedCalls, thresholds_apart
from apportion.testing.optimizer import planted_space
from apportion.testing.scripted import ScriptedModel


def judged_space() -> Space:
    graph = Graph("judged")
    graph.add("one", Solver(model=choose("small", "large"), samples=choose(1, 3)))
    graph.add("two", Solver(model=choose("small", "large"), samples=1))
    graph.add("judge", Verifier(method=choose("vote", "score"), model="small"))
    for name in ("one", "two"):
        graph.connect(name, "judge", optional=True)
    return graph.space(Pool([ScriptedModel(lambda _: "", name=name) for name in ("small", "large")]))


def items(space: Space, plan: Plan) -> set[Item]:
    return {use.item for use in SharedCalls(space).uses(plan)}


def test_samples_share_their_item() -> None:
    space = judged_space()
    few, many = (space.plan({"one.samples": n}, ["one->judge"]) for n in (1, 3))
    assert items(space, few) == items(space, many)
    assert [use.draws for use in SharedCalls(space).uses(many)] == [3]


def test_a_vote_makes_no_calls() -> None:
    space = planted_space()
    assert {item.node for item in items(space, space.default())} == {"solve", "again"}


def test_a_node_upstream_is_shared_whatever_comes_after_it() -> None:
    space = judged_space()
    vote, score = (space.plan({"judge.method": method}) for method in ("vote", "score"))
    assert items(space, vote) < items(space, score)


def test_a_verifier_asks_of_each_source_by_itself() -> None:
    space = judged_space()
    both = items(space, space.plan({"judge.method": "score"}))
    alone = items(space, space.plan({"judge.method": "score"}, ["one->judge"]))
    assert alone < both
    other = items(space, space.plan({"judge.method": "score", "one.model": "large"}))
    assert {item.node for item in both - other} == {"one", "judge"}
    assert {item.node for item in both & other} == {"two", "judge"}


REPEATED: dict[str, dict[str, object]] = {
    "solver": {},
    "decomposer": {},
    "search": {"retriever": "docs"},
    "symbolic_solver": {},
    "verifier": {"method": "score"},
    "merger": {},
}


@pytest.mark.parametrize("kind", REPEATED)
def test_of_every_kind_fewer_draws_are_a_part_of_more(kind: str) -> None:
    settings = {"model": "small", "samples": choose(1, 3, 9), "temperature": 0.7, **REPEATED[kind]}
    graph = Graph("repeated").add("first", Solver(model="small")).add("n", KINDS[kind].config.model_validate(settings))
    space = graph.connect("first", "n").space(Pool([ScriptedModel(lambda _: "", name="small")]))
    uses = [
        next(use for use in SharedCalls(space).uses(space.plan({"n.samples": n})) if use.item.node == "n")
        for n in (1, 3, 9)
    ]
    assert [use.draws for use in uses] == [1, 3, 9]
    assert len({use.item for use in uses}) == 1


def gated_space(*, forward: str = "full", second: bool = False, start: bool = False) -> Space:
    """A node behind a gate, one that reads it alone, and one that reads both ends."""
    graph = Graph("gated")
    for name in ("first", "behind", "next", "both"):
        graph.add(name, Solver(model="small"))
    graph.connect("first", "behind", when=Gate("confidence", below=choose(0.9, 0.5)), forward=forward)
    graph.connect("behind", "next").connect("next", "both").connect("first", "both")
    if second:
        graph.add("other", Solver(model="small")).connect("other", "behind")
    if start:
        graph.start("behind", "first")
    return graph.space(Pool([ScriptedModel(lambda _: "", name="small")]))


def test_a_gate_that_says_only_whether_a_node_asks_makes_no_other_calls() -> None:
    space = gated_space()
    plans = [space.plan({"first->behind.when": value}) for value in (0.9, 0.5, None)]
    found = [{item.node: item for item in items(space, plan)} for plan in plans]
    for node in ("first", "behind", "next"):
        assert len({one[node] for one in found}) == 1
    # What the last node reads hangs on whether there is something behind the gate.
    assert len({one["both"] for one in found}) == 3
    assert {use.place for use in SharedCalls(space).uses(plans[0])} == set(space.graph.nodes)


def test_a_gate_before_a_node_that_reads_others_too_says_what_it_asks() -> None:
    knob = "first->behind.when"
    for space, apart in (
        (gated_space(), True),
        (gated_space(second=True), False),
        (gated_space(second=True, forward="none"), True),
        (gated_space(start=True), False),
        (gated_space(start=True, forward="none"), True),
    ):
        assert (knob in thresholds_apart(space, space.default(), "behind")) is apart
        assert thresholds_apart(space, space.default(), "first") == frozenset()


def test_where_each_source_is_asked_of_by_itself_its_gate_says_only_whether() -> None:
    graph = Graph("judged").add("one", Solver(model="small")).add("two", Solver(model="small"))
    graph.add("judge", Verifier(method="score", model="small")).connect("one", "judge")
    graph.connect("two", "judge", when=Gate("confidence", below=choose(0.9, 0.5)))
    space = graph.space(Pool([ScriptedModel(lambda _: "", name="small")]))
    low, high = (space.plan({"two->judge.when": value}) for value in (0.5, 0.9))
    assert items(space, low) == items(space, high)
    assert {use.place for use in SharedCalls(space).uses(low)} == {"one", "two", "one->judge", "two->judge"}


def test_in_a_loop_a_gate_also_says_what_later_rounds_are_told() -> None:
    graph = Graph("loop")
    for name in ("solve", "behind", "after"):
        graph.add(name, Solver(model="small"))
    graph.add("check", Verifier(method="score", model="small"))
    graph.connect("solve", "behind", when=Gate("confidence", below=choose(0.9, 0.5))).connect("solve", "check")
    graph.connect("behind", "check").connect("check", "after", when=Gate("rounds", above=choose(1, 2)))
    graph.add("pick", Verifier(method="last")).connect("check", "pick").connect("after", "pick")
    space = graph.loop("check", "solve", rounds=3).space(Pool([ScriptedModel(lambda _: "", name="small")]))
    assert thresholds_apart(space, space.default(), "behind") == frozenset()
    assert thresholds_apart(space, space.default(), "after") == {"check->after.when"}
