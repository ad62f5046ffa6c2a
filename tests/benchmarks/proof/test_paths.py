from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.joint_safe import JointSafe, Ladder
from apportion.optimizers.policies.registry import POLICIES, fit_all
from apportion.optimizers.policies.stratified import prepared
from apportion.optimizers.prediction.predictor import fit_predictor
from apportion.optimizers.tables.table import Lesson, Table
from apportion.testing.planted import plant, planted_lesson
from benchmarks.proof.draws import Resample
from benchmarks.proof.paths import anew, asked_of, choice_of, path_of, pinned, statistics_of

_BUDGET = 250.0


@cache
def _fitted() -> tuple[dict[str, ArmPolicy], Table]:
    lesson = planted_lesson("crossing", _BUDGET, fit=300, validation=150, seed=1)
    lesson = Lesson(replace(lesson.fit, probes=()), replace(lesson.validation, probes=()), _BUDGET)
    predictor = fit_predictor(lesson, head="clusters")
    policies = fit_all(["static", "static_mix", "cascade", "cascade_by_family"], lesson)
    for name in ("route_only", "allocate_only", "route_then_allocate", "joint_up_front", "joint", "joint_safe"):
        policies[name] = POLICIES[name].from_predictor(lesson, predictor)  # type: ignore[attr-defined]
    test = replace(plant("crossing", 500, seed=2).table, probes=())
    batch = predictor.prepared(test.batch())
    for policy in policies.values():
        batch = prepared(policy, batch)
    return policies, replace(test, known=batch.known)


@pytest.mark.parametrize(
    "name",
    [
        "static",
        "static_mix",
        "cascade",
        "cascade_by_family",
        "route_only",
        "allocate_only",
        "route_then_allocate",
        "joint_up_front",
        "joint",
        "joint_safe",
    ],
)
def test_a_path_stands_for_choosing_anew_on_every_draw(name: str) -> None:
    policies, test = _fitted()
    resample = Resample(500, 40, 0)
    ((score, cost),) = statistics_of([path_of(policies[name], test, test.batch(), _BUDGET)], resample)
    drawn = np.concatenate(list(resample.drawn()))
    exact = np.array([anew(policies[name], test, _BUDGET, questions) for questions in drawn])
    # One question in 500 is 0.002; the draws spread by ten times that. A third of the spread adds a twentieth to the
    # width of an interval.
    assert np.sqrt(np.mean((score.draws - exact[:, 0]) ** 2)) < score.draws.std() / 3
    assert np.abs(cost.draws / exact[:, 1] - 1).max() < 0.03
    fixed = resample.means(choice_of(policies[name], test, test.batch(), _BUDGET).costs[:, None])[:, 0]
    if name == "joint_up_front":
        assert cost.draws.std() < 0.6 * fixed.std(), "a shared budget holds the spend together, draw by draw"


def test_the_estimate_is_what_the_policy_reaches_on_all_questions() -> None:
    policies, test = _fitted()
    choice = choice_of(policies["joint_up_front"], test, test.batch(), _BUDGET)
    ((score, cost),) = statistics_of(
        [path_of(policies["joint_up_front"], test, test.batch(), _BUDGET)], Resample(500, 20, 0)
    )
    assert score.estimate == pytest.approx(choice.scores.mean())
    assert cost.estimate == pytest.approx(choice.costs.mean())
    everyone = np.arange(500)
    columns = np.array([test.arm(arm.name) for arm in policies["joint_up_front"].arms])
    assert choice.scores == pytest.approx(test.mean_scores[everyone, columns[choice.arms]])


def test_cascades_are_scored_by_their_stages() -> None:
    policies, test = _fitted()
    choice = choice_of(policies["cascade"], test, test.batch(), _BUDGET)
    cascades = [number for number in np.unique(choice.arms) if policies["cascade"].arms[number].stages]
    assert cascades
    for number in cascades:
        given = choice.arms == number
        first = test.arm(policies["cascade"].arms[number].stages[0].arm)
        assert (choice.costs[given] >= test.mean_costs[given, first] - 1e-9).all()


@pytest.mark.parametrize("name", ["cascade", "joint", "joint_up_front"])
def test_what_was_asked_is_what_was_paid(name: str) -> None:
    policies, test = _fitted()
    choice = choice_of(policies[name], test, test.batch(), _BUDGET)
    free = replace(test, costs=np.ones_like(test.costs))
    paid = choice_of(policies[name], free, free.batch(), _BUDGET)
    assert np.array_equal(paid.arms, choice.arms), "nothing is decided by what is not known"
    asked = asked_of(policies[name].arms, test, choice.arms)
    assert sum(asked.values()) == pytest.approx(paid.costs.sum())
    assert max(asked.values()) <= 500
    assert (sum(asked.values()) > 500) == any(policies[name].arms[number].stages for number in np.unique(choice.arms))


def test_a_question_that_is_left_out_asks_nobody_and_costs_nothing() -> None:
    policies, test = _fitted()
    choice = choice_of(policies["static_mix"], test, test.batch(), 20.0)
    left = choice.arms == -1
    assert 0 < left.sum() < 500
    assert not choice.costs[left].any()
    assert not choice.scores[left].any()
    assert sum(asked_of(policies["static_mix"].arms, test, choice.arms).values()) == pytest.approx((~left).sum())


def test_a_pinned_policy_still_keeps_back_what_buys_nothing() -> None:
    policies, test = _fitted()
    safe = policies["joint_safe"]
    assert isinstance(safe, JointSafe)
    thrifty = Ladder(budgets=np.array([100.0, 400.0]), members=("static_mix",) * 2, spends=np.array([100.0, 150.0]))
    thrifty_safe = safe.model_copy(update={"ladder": thrifty})
    for budget in (90.0, 250.0, 400.0, 900.0):
        free, held = (choice_of(p, test, test.batch(), budget) for p in (thrifty_safe, pinned(thrifty_safe, budget)))
        assert np.array_equal(free.arms, held.arms)


def test_forecasts_that_a_batch_carries_change_nothing() -> None:
    policies, test = _fitted()
    plain = replace(test, known={})
    for name in ("joint", "route_then_allocate"):
        carried, computed = (choice_of(policies[name], t, t.batch(), _BUDGET) for t in (test, plain))
        assert np.array_equal(carried.arms, computed.arms)
    part = test.take(np.array([3, 3, 8]))
    assert np.array_equal(
        choice_of(policies["joint"], part, part.batch(), 300.0).arms,
        choice_of(policies["joint"], replace(part, known={}), replace(part, known={}).batch(), 300.0).arms,
    )


def test_a_pinned_policy_plans_one_way_at_all_budgets() -> None:
    policies, test = _fitted()
    joint = pinned(policies["joint"], _BUDGET)
    same, less = (choice_of(joint, test, test.batch(), budget) for budget in (_BUDGET, 0.999 * _BUDGET))
    assert np.array_equal(same.arms, choice_of(policies["joint"], test, test.batch(), _BUDGET).arms)
    assert (same.arms != less.arms).mean() < 0.02
