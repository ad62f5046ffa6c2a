from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.optimizers.arrays import Floats
from apportion.optimizers.serving.replay_batch import barrier_width, serve_on_table
from apportion.optimizers.tables.cascades import cascade_arm
from apportion.optimizers.tables.table import UNANSWERED, Arm, Probe, Question, Stage, Table


def table_of(costs: Floats, scores: Floats | None = None, **more: Any) -> Table:
    """Questions and arms by number; (questions, arms, replicates)."""
    questions = tuple(Question(f"q{number}", f"question {number}") for number in range(costs.shape[0]))
    arms = tuple(Arm(f"a{number}") for number in range(costs.shape[1]))
    return Table(questions, arms, np.ones_like(costs) if scores is None else scores, costs, **more)


def knowing(planted: Any, table: Table, forecast: Floats, **settings: Any) -> Any:
    values = {q.name: table.mean_scores[i] for i, q in enumerate(table.questions)}
    costs = {q.name: forecast[i] for i, q in enumerate(table.questions)}
    return planted(table.arms, values, costs, **settings)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_batch_is_never_above_its_cap_whatever_its_arms_cost(planted: Any, data: st.DataObject) -> None:
    count, arms = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    scale = data.draw(st.sampled_from([0.0, 0.3, 1.0, 3.0]))
    forecast = generator.uniform(1, 50, (count, arms))
    real = np.round(forecast * np.exp(scale * generator.normal(size=(count, arms))))
    table = table_of(real[:, :, None], generator.uniform(0, 1, (count, arms, 1)))
    probes = data.draw(st.booleans())
    if probes:
        table = table_of(
            table.costs, table.scores, probes=(Probe("p", np.ones(count), np.round(generator.uniform(0, 5, count))),)
        )
    spread, abstain = data.draw(st.sampled_from([1.0, 1.5, 4.0])), data.draw(st.booleans())
    policy = knowing(planted, table, forecast, spread=spread, unanswered=abstain, probe="p" if probes else None)
    budget = data.draw(st.floats(0, 60 * count))
    served = serve_on_table(policy, table, budget, every=data.draw(st.integers(1, count)))
    assert served.costs.sum() <= budget * (1 + 1e-9)
    answered = (served.arms != UNANSWERED) & ~served.cut
    everyone = np.arange(count)
    np.testing.assert_array_equal(served.scores[answered], table.scores[everyone, served.arms, 0][answered])
    assert not served.scores[~answered].any()


def test_right_forecasts_are_carried_out_as_planned(planted: Any) -> None:
    generator = np.random.default_rng(1)
    costs = np.sort(generator.integers(1, 100, (200, 3)), axis=1).astype(np.float64)
    table = table_of(costs[:, :, None], np.sort(generator.uniform(size=(200, 3, 1)), axis=1))
    policy = knowing(planted, table, costs, spread=1.0)
    served = serve_on_table(policy, table, 200 * 40.0, every=200)
    np.testing.assert_array_equal(served.arms, served.planned)
    np.testing.assert_array_equal(served.costs, costs[np.arange(200), served.planned])
    assert not served.cut.any()
    assert 0.95 * 8000 <= served.costs.sum() <= 8000


def test_everybody_gets_at_least_the_cheapest_arm_where_forecasts_of_the_dear_ones_are_far_too_low(
    planted: Any,
) -> None:
    """The dear arm really costs six times its forecast; without anything held back it would starve the rest."""
    forecast = np.tile([10.0, 30.0], (60, 1))
    real = np.tile([10.0, 180.0], (60, 1))
    scores = np.tile([0.5, 1.0], (60, 1))
    table = table_of(real[:, :, None], scores[:, :, None])
    policy = knowing(planted, table, forecast, spread=1.0)
    served = serve_on_table(policy, table, 60 * 30.0, every=10)
    assert served.costs.sum() <= 1800
    assert (served.arms != UNANSWERED).all()
    assert served.scores[~served.cut].min() == 0.5
    assert served.cut.sum() <= 1
    assert (served.costs >= 10).all()


def test_what_was_left_is_spent_at_the_next_barrier(planted: Any) -> None:
    """Forecasts are twice what arms cost: with barriers most questions get the dear arm in the end."""
    forecast = np.tile([10.0, 40.0], (100, 1))
    table = table_of((forecast / 2)[:, :, None], np.tile([0.0, 1.0], (100, 1))[:, :, None])
    policy = knowing(planted, table, forecast, spread=1.0)
    once = serve_on_table(policy, table, 100 * 25.0, every=100)
    often = serve_on_table(policy, table, 100 * 25.0, every=10)
    assert once.scores.mean() == 0.5
    assert often.scores.mean() >= 0.9


def test_decisions_are_made_at_barriers_for_the_rest_of_the_batch(planted: Any) -> None:
    costs = np.full((50, 1, 1), 4.0)
    table = table_of(costs)
    policy = knowing(planted, table, costs[:, :, 0], spread=1.0)
    serve_on_table(policy, table, 1000.0, every=20)
    assert policy.budgets == [(50, 0.0), (50, 1000.0), (30, 920.0), (10, 840.0)]
    assert [barrier_width(count) for count in (1, 168, 320, 6000)] == [16, 16, 16, 300]


def test_the_replicate_that_comes_true_is_charged(planted: Any) -> None:
    costs = np.stack([np.full((5, 1), 2.0), np.full((5, 1), 3.0)], axis=2)
    table = table_of(costs)
    policy = knowing(planted, table, costs[:, :, 0], spread=1.0)
    assert [serve_on_table(policy, table, 100.0, replicate=r).costs.sum() for r in (0, 1)] == [10.0, 15.0]


def test_cascades_that_the_table_does_not_hold_are_made_of_its_arms(planted: Any) -> None:
    costs = np.tile([1.0, 10.0], (4, 1))[:, :, None]
    scores = np.array([[1, 1], [0, 1], [1, 1], [0, 1]], np.float64)[:, :, None]
    sure = np.array([[0.9, np.nan], [0.2, np.nan], [np.nan, np.nan], [0.2, np.nan]])[:, :, None]
    table = table_of(costs, scores, confidences=sure)
    arm = cascade_arm((Stage("a0", 0.5), Stage("a1", 0.0)))
    policy = planted(
        (arm,), {q.name: np.ones(1) for q in table.questions}, {q.name: np.full(1, 11.0) for q in table.questions}
    )
    served = serve_on_table(policy, table, 1000.0)
    assert served.costs.tolist() == [1.0, 11.0, 11.0, 11.0]
    assert served.scores.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_probes_take_at_most_half_of_the_cap(planted: Any) -> None:
    costs = np.full((10, 1, 1), 2.0)
    table = table_of(costs, probes=(Probe("p", np.ones(10), np.full(10, 3.0)),))
    policy = knowing(planted, table, costs[:, :, 0] + 3.0, spread=1.0, probe="p")
    plenty = serve_on_table(policy, table, 100.0)
    assert plenty.costs.tolist() == [5.0] * 10
    tight = serve_on_table(policy, table, 24.0)
    assert tight.costs.sum() <= 24.0
    assert (tight.costs >= 3.0).sum() == 4


def test_a_table_without_the_policy_s_arm_is_refused(planted: Any) -> None:
    table = table_of(np.ones((2, 1, 1)))
    with pytest.raises(Exception, match="no arm 'elsewhere'"):
        serve_on_table(planted((Arm("elsewhere"),), {}, {}), table, 1.0)
