from __future__ import annotations

import pytest

from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.kinds import KINDS
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.shared_calls import Item, SharedCalls
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
