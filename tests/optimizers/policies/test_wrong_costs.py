"""Every policy where wrong answers cost something: it is fitted to values, keeps the price, and may answer nothing."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.registry import POLICIES, fit_each, policy_from_json, policy_to_json
from apportion.optimizers.policies.stratified import wrong_costs_of
from apportion.optimizers.study.policy_selection import rank
from apportion.optimizers.tables.table import Arm, Lesson, Question, Table
from apportion.optimizers.tables.value import valued

MAY_LEAVE_OUT = ("static", "static_mix", "cascade", "cascade_by_family", "joint", "joint_safe", "route_only")


def world(questions: int, seed: int, *, right: float = 0.35) -> Table:
    """Two models at two settings that are mostly wrong, abstain at times, and think longer where they are wrong."""
    draws = np.random.default_rng(seed)
    shape = (questions, 4, 1)
    said = draws.random(shape) < 0.15
    hits = (draws.random(shape) < right) & ~said
    thinking = np.exp(np.where(hits, 4.0, 6.0) + draws.normal(size=shape))
    return Table(
        tuple(Question(f"{seed}/{n}", f"where is {draws.integers(9)}", "ab"[n % 2]) for n in range(questions)),
        tuple(Arm(f"{m}{e}", (("solve", m),), f'{{"effort":{e}}}') for m in "pq" for e in (1, 2)),
        hits.astype(np.float64),
        np.broadcast_to(np.array([1.0, 2.0, 1.5, 3.0])[:, None], shape),
        thinking_tokens=thinking,
        output_tokens=thinking + 10,
        answers=np.where(said, -1, np.where(hits, 0, 1 + draws.integers(5, size=shape))),
        abstained=said.astype(np.float64),
    )


@cache
def fitted() -> dict[str, ArmPolicy]:
    lesson = Lesson(valued(world(220, 0), 1.0), valued(world(80, 1), 1.0), 2.0)
    return dict(fit_each(POLICIES, [lesson]))


@pytest.mark.parametrize("name", POLICIES)
def test_it_keeps_the_price_in_its_file(name: str) -> None:
    policy = fitted()[name]
    again = policy_from_json(json.loads(json.dumps(policy_to_json(policy))))
    assert wrong_costs_of(policy) == wrong_costs_of(again) == 1.0
    fresh = world(120, 2)
    for budget in (0.0, 100.0, 1e6):
        first, second = (each.assign(fresh.batch(), budget) for each in (policy, again))
        assert (first.arms == second.arms).all()
        assert (first.expected >= 0).all()


@pytest.mark.parametrize("name", MAY_LEAVE_OUT)
def test_it_is_not_worse_than_no_answer(name: str) -> None:
    """Every arm alone is worth less than none here."""
    fresh = world(400, 3)
    assert valued(fresh, 1.0).scores.mean(axis=(0, 2)).max() < 0
    found = simulate(fitted()[name], fresh, 3.0 * 400)
    assert found.scores.mean() > -0.02
    assert sum(found.shares.model_dump().values()) == pytest.approx(1.0)


def test_who_looks_first_answers_what_it_is_sure_of() -> None:
    fresh = world(400, 3)
    for name in ("cascade", "cascade_by_family", "joint", "joint_safe"):
        found = simulate(fitted()[name], fresh, 5.0 * 400)
        assert found.scores.mean() > 0.15, name
        assert found.shares.right > 3 * found.shares.wrong, name
        # The same policy at another price: its answers are the same, and worth something else.
        free = simulate(fitted()[name], fresh, 5.0 * 400, wrong_costs=0.0)
        assert free.shares == found.shares
        assert free.scores.mean() == pytest.approx(found.shares.right)
        assert found.scores.mean() == pytest.approx(found.shares.right - found.shares.wrong)


def test_a_comparison_says_what_became_of_the_questions() -> None:
    scores, chosen = rank(fitted(), valued(world(200, 4), 1.0), 3.0)
    assert chosen in fitted()
    for score in scores:
        assert score.shares is not None
        assert sum(score.shares.model_dump().values()) == pytest.approx(1.0)
        assert score.score == pytest.approx(score.shares.right - score.shares.wrong, abs=1e-9)
        assert score.shares.unanswered >= score.unanswered - 1e-9
