from __future__ import annotations

import pytest

from apportion import Judge, Prompt
from apportion.graphs.gate import Gate, GateReading
from apportion.graphs.graph import Graph
from apportion.graphs.judging import as_request
from apportion.graphs.space import Space
from apportion.models.metered import call_bound
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.base import Proposal
from apportion.optimizers.search.gate_rates import GateRates
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.study.cost_forecast import CostForecast, verdict_forecast
from apportion.records import Status, Task
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


def test_what_was_charged_is_paid_once_where_plans_share_it(space: Space, forecast: CostForecast) -> None:
    outcome = Outcome("t", Status.OK, 1.0, 30.0, 0.0)
    plans = space.plan({}), space.plan({}, [])
    measured = [Measurement(plan, (outcome,) * 10) for plan in plans]
    charged = sum(forecast.charged(plan) for plan in plans)
    assert forecast.uncached(measured[:1]) == pytest.approx(300)
    assert forecast.uncached(measured) == pytest.approx(600 * forecast.charged(plans[0]) / charged)
    assert forecast.uncached([]) == 0.0


def test_of_two_series_the_longer_is_paid(space: Space, forecast: CostForecast) -> None:
    plan = space.default()
    assert forecast.paid([Proposal(plan, 5), Proposal(plan, 9)]) == forecast.paid([Proposal(plan, 9)])


def test_a_space_that_can_be_listed_costs_at_most_what_all_its_plans_pay(space: Space, forecast: CostForecast) -> None:
    assert forecast.exhausted(space, 10) == pytest.approx(forecast.paid([Proposal(plan, 10) for plan in space]))
    graph = Graph("wide").add("solve", Solver(model="m", max_output_tokens=choose(*range(8, 400))))
    wide = graph.space(space.pool)
    assert wide.size > 256
    assert CostForecast(graph, space.pool, Task(question="?"), "tokens").exhausted(wide, 10) == float("inf")


def test_a_gated_node_is_expected_to_cost_the_share_on_which_it_runs() -> None:
    """Until something is known, as much as with the gate always open; the bound stays that of the open gate."""
    graph = Graph("g").add("first", Solver(model="m", max_output_tokens=10))
    graph.add("second", Solver(model="m", max_output_tokens=10)).add("pick", Verifier(method="last"))
    graph.connect("first", "second", when=Gate("confidence", below=choose(0.5)), optional=True)
    space = (
        graph.connect("first", "pick").connect("second", "pick").space(Pool([ScriptedModel(lambda _: "", name="m")]))
    )
    gated, opened, without = (
        space.plan({"first->second.when": 0.5}),
        space.plan({"first->second.when": None}),
        space.plan(edges=[]),
    )
    blind = CostForecast(graph, space.pool, Task(question="Is it so?"), "tokens")
    assert blind.charged(gated) == blind.charged(opened)
    rates = GateRates(space)
    outcomes = [
        Outcome(f"t{n}", Status.OK, 1.0, 1.0, 0.0, gates=(GateReading("first->second", 0.1 if n % 4 == 0 else 0.9),))
        for n in range(400)
    ]
    rates.note(gated, outcomes)
    knowing = blind.knowing(rates)
    behind = blind.charged(opened) - blind.charged(without)
    assert knowing.charged(gated) == pytest.approx(blind.charged(without) + behind / 4, rel=0.02)
    assert knowing.charged(opened) == blind.charged(opened) == blind.charged(gated)
    # The always open twin asks what the gated plan asks, and more.
    both = knowing.paid([Proposal(gated, 10), Proposal(opened, 10)])
    assert both == pytest.approx(knowing.paid([Proposal(opened, 10)]))


def test_a_verdict_is_foreseen_between_one_token_and_its_bound_for_every_vote() -> None:
    model = ScriptedModel(lambda request: "Score: 7", name="grader")
    pool, task = Pool([model]), Task(question="Write a letter.", gold="Dear all")
    one = Judge("grader", Prompt("{answer}"), temperature=1)
    found = verdict_forecast(one, pool, task, "tokens")
    request = as_request(one.requests(task, task.gold)[0], model.card)
    most = call_bound(model, request).tokens
    assert most - one.max_output_tokens < found < most
    three = Judge("grader", Prompt("{answer}"), votes=3)
    assert verdict_forecast(three, pool, task, "tokens") == pytest.approx(3 * found)
    assert verdict_forecast(one, pool, task, "usd") == 0
