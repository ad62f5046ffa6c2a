from __future__ import annotations

from collections.abc import Callable

import numpy as np

from apportion.optimizers.policies.grouped import RouteOnly
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.route_then_allocate import RouteThenAllocate
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.knapsack import allocate
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learned = tuple[Lesson, Predictor, Rehearsal]
SETTINGS = 4
SHARES = 4


def test_the_router_decides_the_models_in_the_default_setting_and_the_allocator_the_rest(small: Learned) -> None:
    policy = RouteThenAllocate.from_predictor(*small)
    view = View(policy.predictor, plant("crossing", 80, seed=3).table.batch())
    plans = policy.plans(view)
    assert len(plans) == (1 + SETTINGS) * SHARES
    budget = 420.0 * 80
    as_predicted_at_effort_two = plans[(1 + 1) * SHARES]
    chosen = as_predicted_at_effort_two(budget)
    default = [number for number, arm in enumerate(policy.arms) if arm.setting == '{"effort":2}']
    routed = allocate(view.scores()[:, default], view.planning[:, default], budget)
    assert chosen is not None
    models = [policy.arms[number].models for number in chosen]
    assert models == [policy.arms[default[number]].models for number in routed]
    assert len({policy.arms[number].setting for number in chosen}) > 1


def test_the_router_sends_nothing_where_nothing_can_be_paid(small: Learned) -> None:
    """At a default that is too dear for all, it routes to what is affordable, or that default does not serve."""
    policy = RouteThenAllocate.from_predictor(*small)
    view = View(policy.predictor, plant("crossing", 80, seed=3).table.batch())
    plans = policy.plans(view)
    at_most_expensive, affordable = plans[-1], plans[0]
    assert at_most_expensive(200.0 * 80) is None
    chosen = affordable(200.0 * 80)
    assert chosen is not None
    assert view.planning[np.arange(80), chosen].sum() <= 200.0 * 80


def test_the_stack_is_no_straw_man(learn: Callable[[Kind], Learned]) -> None:
    """Where specialists need no default budget to be told apart, it is as good as choosing jointly."""
    stack, joint, routed = (m.from_predictor(*learn("specialists")) for m in (RouteThenAllocate, Joint, RouteOnly))
    test = plant("specialists", 1500, seed=9, hidden=0.0)
    for budget in (150.0, 300.0, 550.0):
        reached = [test.value(p.assign(test.table.batch(), budget * 1500).arms) for p in (stack, joint, routed)]
        assert reached[0] >= reached[1] - 0.01
        assert reached[0] >= reached[2] - 0.005
