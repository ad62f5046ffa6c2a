from __future__ import annotations

import pytest

from apportion.graphs.graph import Graph
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.base import Proposal
from apportion.optimizers.study.cost_forecast import CostForecast
from apportion.records import Task
from apportion.testing.scripted import ScriptedModel


@pytest.fixture
def space() -> Space:
    graph = Graph("g")
    graph.add("first", Solver(model="m", style="direct", max_output_tokens=choose(10, 1000)))
    graph.add("second", Solver(model="m", style="direct", max_output_tokens=choose(10, 20)))
    graph.add("judge", Verifier(method="vote", model="m"))
    graph.connect("first", "judge")
    graph.connect("second", "judge", optional=True)
    return graph.space(Pool([ScriptedModel(lambda _: "", name="m")]))


@pytest.fixture
def forecast(space: Space) -> CostForecast:
    return CostForecast(space.graph, space.pool, Task(question="Is it so?"), "tokens")


def test_larger_output_caps_are_expected_to_charge_more(space: Space, forecast: CostForecast) -> None:
    small = space.plan({"first.max_output_tokens": 10}, [])
    large = space.plan({"first.max_output_tokens": 1000}, [])
    assert 0 < forecast.charged(small) < forecast.charged(large)


def test_equal_requests_of_two_plans_are_paid_once(space: Space, forecast: CostForecast) -> None:
    with_edge, without = space.plan({}), space.plan({}, [])
    both = forecast.paid([Proposal(with_edge, 10), Proposal(without, 10)])
    assert both == pytest.approx(10 * forecast.charged(with_edge))
    other = space.plan({"first.max_output_tokens": 1000}, [])
    assert forecast.paid([Proposal(without, 10), Proposal(other, 10)]) == pytest.approx(
        10 * (forecast.charged(without) + forecast.charged(other))
    )


def test_of_two_series_the_longer_is_paid(space: Space, forecast: CostForecast) -> None:
    plan = space.default()
    assert forecast.paid([Proposal(plan, 5), Proposal(plan, 9)]) == forecast.paid([Proposal(plan, 9)])


def test_a_space_that_can_be_listed_costs_at_most_what_all_its_plans_pay(space: Space, forecast: CostForecast) -> None:
    assert forecast.exhausted(space, 10) == pytest.approx(forecast.paid([Proposal(plan, 10) for plan in space]))
    graph = Graph("wide").add("solve", Solver(model="m", max_output_tokens=choose(*range(8, 400))))
    wide = graph.space(space.pool)
    assert wide.size > 256
    assert CostForecast(graph, space.pool, Task(question="?"), "tokens").exhausted(wide, 10) == float("inf")
