from __future__ import annotations

from collections.abc import Sequence

import pytest

from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.space import Space
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.depth import Depth
from apportion.nodes.knob import adaptive, choose
from apportion.nodes.search import Search
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.analysis.iso_cost import iso_cost, way_of
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel

TASKS = 20


async def look_up(query: str, top_k: int) -> Sequence[str]:
    return ()


@pytest.fixture
def space() -> Space:
    graph = Graph("both")
    graph.add("search", Search(retriever=look_up, model="m", rounds=choose(0, 1, 3, adaptive(1, 5))))
    graph.add(
        "solve", Solver(model="m", style=choose("direct", "draft", "think"), thinking_tokens=choose(None, 16, 64))
    )
    graph.add("judge", Verifier(method="vote"))
    graph.connect("search", "judge", optional=True).connect("solve", "judge", optional=True)
    return graph.space(Pool([ScriptedModel(lambda request: "", name="m")]))


def measured(plan: Plan, score: float, cost: float, tasks: int = TASKS) -> Measurement:
    right = round(score * TASKS)
    return Measurement(plan, tuple(Outcome("", Status.OK, float(n < right), cost, 0.0) for n in range(tasks)))


def test_rounds_and_depth_of_a_plan(space: Space) -> None:
    def way(edges: tuple[str, ...], **knobs: object) -> tuple[int, str]:
        values = {name.replace("_", ".", 1): value for name, value in knobs.items()}
        rounds, depth = way_of(measured(space.plan(values, edges), 1.0, 1.0), space)
        return rounds, str(depth)

    both = ("search->judge", "solve->judge")
    assert way(both, search_rounds=3, solve_style="think") == (3, "think")
    assert way(both, search_rounds={"low": 1, "high": 5}, solve_style="think", solve_thinking_tokens=16) == (
        5,
        "think up to 16",
    )
    assert way(("solve->judge",), solve_style="direct", solve_thinking_tokens=16) == (0, "direct")
    assert way(("search->judge",), search_rounds=1) == (1, "none")


def planted(space: Space) -> list[Measurement]:
    """A round costs 100 and thinking 40 to 160; at much cost both are worth it, at little only the rounds."""
    found = []
    for rounds in (0, 1, 3):
        for tokens, cost in ((16, 40.0), (64, 80.0), (None, 160.0)):
            edges = ("search->judge", "solve->judge") if rounds else ("solve->judge",)
            values = {"solve.style": "think", "solve.thinking_tokens": tokens, "search.rounds": rounds}
            score = 0.1 + 0.2 * rounds + cost / 800
            found.append(measured(space.plan(values, edges), score, 100.0 * rounds + cost))
    return found


def test_at_equal_cost_each_number_of_rounds_has_the_depth_that_serves_it_best(space: Space) -> None:
    low, middle, high = iso_cost(planted(space), space, tasks=TASKS)
    assert (low.level, high.level) == (140.0, 460.0)
    assert middle.level == pytest.approx((140 * 460) ** 0.5)
    assert [(way.rounds, str(way.depth), way.cost) for way in low.ways] == [
        (0, "think up to 64", 80.0),
        (1, "think up to 16", 140.0),
    ]
    assert [(way.rounds, str(way.depth)) for way in high.ways] == [(0, "think"), (1, "think"), (3, "think")]
    assert low.ways[1].low <= low.ways[1].score == pytest.approx(0.35)
    for level in (low, middle, high):
        assert all(way.cost <= level.level + 1e-6 for way in level.ways)


def test_effort_is_a_depth_where_it_is_open() -> None:
    graph = Graph("efforts")
    graph.add("search", Search(retriever=look_up, model="m", rounds=choose(0, 1)))
    graph.add("solve", Solver(style="direct", effort=choose("high", "low"))).connect("search", "solve")
    card = ModelCard(name="m", reasoning_efforts=("low", "high"))
    plain = ModelCard(name="plain")
    pool = Pool([ScriptedModel(lambda request: "", name=each.name, card=each) for each in (card, plain)])
    space = graph.space(pool)

    def way(**knobs: object) -> tuple[int, Depth]:
        values = {name.replace("_", ".", 1): value for name, value in knobs.items()}
        return way_of(measured(space.plan(values), 1.0, 1.0), space)

    low, high, none = way(solve_effort="low")[1], way(solve_effort="high")[1], way(solve_model="plain")[1]
    assert none < low < high
    assert [str(each) for each in (none, low, high)] == ["direct", "direct, effort low", "direct, effort high"]
    plans = [
        measured(space.plan({"search.rounds": n, "solve.effort": effort}), 0.2 + 0.3 * n + gain, 100.0 * (n + 1) + cost)
        for n in (0, 1)
        for effort, gain, cost in (("low", 0.0, 10.0), ("high", 0.4, 90.0))
    ]
    depths = [[way.depth for way in level.ways] for level in iso_cost(plans, space, tasks=TASKS)]
    assert depths[-1] == ["direct, effort high", "direct, effort high"]
    assert depths[0] == ["direct, effort high", "direct, effort low"]


def test_plans_are_compared_on_the_tasks_that_they_share(space: Space) -> None:
    plans = planted(space)
    short = [*plans[:-1], plans[-1].first(5)]
    assert iso_cost(short, space, tasks=5)[-1].ways[-1].rounds == 3
    longer = iso_cost(short, space, tasks=TASKS)
    assert plans[-1].plan.hash not in {way.plan_hash for level in longer for way in level.ways}
    assert iso_cost(plans, space, tasks=TASKS + 1) == iso_cost([], space, tasks=1) == ()


def test_there_is_nothing_to_tell_unless_plans_differ_in_both(space: Space) -> None:
    plans = planted(space)
    assert iso_cost([m for m in plans if way_of(m, space)[0] == 0], space, tasks=TASKS) == ()
    assert iso_cost([m for m in plans if str(way_of(m, space)[1]) == "think"], space, tasks=TASKS) == ()
