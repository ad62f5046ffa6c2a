from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.analysis.target_score import (
    TargetReport,
    bounds_of,
    checked_target,
    confirmation,
    find_target,
)
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.tables.table import Arm, Batch, Question, Table
from apportion.optimizers.tables.value import valued

ARMS = (Arm("cheap"), Arm("dear"))


@dataclass(frozen=True)
class Upgrading:
    """Gives as many questions the dear arm as the budget allows, the first ones first."""

    arms: tuple[Arm, ...] = ARMS
    probe: str | None = None
    name: str = "upgrading"

    def assign(self, batch: Batch, budget: float) -> Assignment:
        dear = min(len(batch), max(0, int((budget - len(batch)) / 9 + 1e-9)))
        chosen = (np.arange(len(batch)) < dear).astype(np.intp)
        costs = np.where(chosen == 1, 10.0, 1.0)
        return Assignment(chosen, costs, costs)

    def to_json(self) -> dict[str, Any]:
        return {}


def table(questions: int = 400, dear: float = 1.0, each: int = 1) -> Table:
    """The cheap arm is right on none, the dear one on the share that is named, evenly spread."""
    right = np.floor(np.arange(1, questions + 1) * dear) > np.floor(np.arange(questions) * dear)
    scores = np.column_stack([np.zeros(questions), right])[:, :, None]
    costs = np.tile([1.0, 10.0], (questions, 1))[:, :, None]
    asked = tuple(Question(f"q{n}", "") for n in range(questions))
    clusters = tuple(f"c{n // each}" for n in range(questions)) if each > 1 else None
    return Table(asked, ARMS, scores.astype(float), costs, clusters=clusters)


def test_the_smallest_budget_is_found_on_the_way_down() -> None:
    found = find_target(Upgrading(), table(), 0.5, 10.0)
    assert found.reached
    assert found.budget is not None
    # Half of the questions must get the dear arm: 5.5 a question; the bound asks for a little more.
    assert 5.5 < found.budget < 7.5
    passed = [step for step in found.steps if step.low >= 0.5]
    assert [step.budget for step in passed] == [step.budget for step in found.steps[: len(passed)]]
    assert found.budget == passed[-1].budget
    assert len(found.steps) == len(passed) + 1
    assert all(step.cost <= step.budget + 1e-9 for step in found.steps)
    assert TargetReport.model_validate_json(found.model_dump_json()) == found


def test_an_unreached_target_says_what_was_best_and_where() -> None:
    found = find_target(Upgrading(), table(dear=0.6), 0.9, 10.0)
    assert (found.reached, found.budget, found.test) == (False, None, None)
    assert found.best_score == pytest.approx(0.6)
    assert found.best_budget == 10.0
    assert len(found.steps) == 24
    # What is reached by luck below a ceiling that fails does not count.
    assert not find_target(Upgrading(), table(20, dear=0.95), 0.95, 10.0).reached


def test_a_ceiling_below_the_cheapest_arms_is_one_step() -> None:
    found = find_target(Upgrading(), table(), 0.5, 0.5)
    assert [step.budget for step in found.steps] == [0.5]
    assert not found.reached


@pytest.mark.parametrize("target", [0, -0.1, 1.01, 80, float("nan"), float("inf"), True, "0.8", None])
def test_what_is_no_score_is_refused(target: object) -> None:
    with pytest.raises(UsageError, match="target_score must be a mean score to reach, above 0 and at most 1"):
        checked_target(target)


def test_without_questions_there_is_nothing_to_validate_on() -> None:
    with pytest.raises(UsageError, match="no validation questions"):
        find_target(Upgrading(), table(4).take(np.arange(0)), 0.5, 10.0)


@pytest.mark.parametrize(
    ("right", "verdict"), [(190, "confirmed"), (100, "refuted"), (162, "undecided"), (158, "undecided")]
)
def test_further_questions_confirm_refute_or_leave_open(right: int, verdict: str) -> None:
    scores = (np.arange(200) < right).astype(float)
    found = confirmation(0.8, scores, np.ones(200))
    assert (found.verdict, found.questions) == (verdict, 200)
    assert found.low < found.score < found.high


def test_questions_of_one_cluster_count_as_fewer() -> None:
    scores = np.repeat((np.arange(20) < 16).astype(float), 10)
    alone, together = bounds_of(scores), bounds_of(scores, [f"c{n // 10}" for n in range(200)])
    assert together[0] < alone[0] < alone[1] < together[1]
    assert together == pytest.approx(bounds_of(scores[::10]))
    # All right says as much as there are clusters.
    assert bounds_of(np.ones(200), [f"c{n // 10}" for n in range(200)]) == bounds_of(np.ones(20))
    assert bounds_of(np.ones(1))[0] < 0.5


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=50))
def test_bounds_hold_the_mean(drawn: list[float]) -> None:
    scores = np.array(drawn)
    low, high = bounds_of(scores)
    assert 0 <= low <= scores.mean() + 1e-12 <= high + 2e-12 <= 1 + 2e-12


def test_the_claim_fails_no_more_often_than_it_says() -> None:
    """At the ceiling the dear arm is right on 70 %; a target of .7 may be claimed in about one of ten draws."""
    draws = np.random.default_rng(0)
    claimed = 0
    for _ in range(300):
        scores = np.zeros((60, 2, 1))
        scores[:, 1, 0] = draws.random(60) < 0.7
        base = table(60)
        drawn = Table(base.questions, base.arms, scores, base.costs)
        found = find_target(Upgrading(), drawn, 0.7, 10.0)
        claimed += found.reached
    assert claimed / 300 < 0.14


def test_a_target_is_a_score_also_where_wrong_answers_cost_something() -> None:
    """Values lie below 0 and are no shares, of which bounds could be told; nor are they what is served."""
    plain = find_target(Upgrading(), table(dear=0.8), 0.5, 10.0)
    assert find_target(Upgrading(), valued(table(dear=0.8), 3.0), 0.5, 10.0) == plain


def test_bounds_are_of_90_percent_on_either_side() -> None:
    """Each bound is the rate under which the mean is just as far off as one draw in ten."""
    for bound in bounds_of((np.arange(100) < 80).astype(float)):
        errors = abs(0.8 - bound) / np.sqrt(bound * (1 - bound) / 100)
        assert errors == pytest.approx(NormalDist().inv_cdf(0.9))


def test_the_walk_counts_clusters_and_so_does_what_confirms() -> None:
    """Ten questions each say the same: their number reaches the target, that of their clusters does not."""
    scores = np.repeat((np.arange(20) < 18).astype(float), 10)
    alone, together = table(200), table(200, each=10)
    cells = np.stack([np.zeros(200), scores], axis=1)[:, :, None]
    reached = [find_target(Upgrading(), replace(each, scores=cells), 0.85, 10.0).reached for each in (alone, together)]
    assert reached == [True, False]
    verdicts = [confirmation(0.85, scores, np.ones(200), names).verdict for names in (None, together.clusters)]
    assert verdicts == ["confirmed", "undecided"]


def test_what_is_reached_below_a_ceiling_that_fails_is_not_claimed() -> None:
    """Half of the questions are the cheap arm's: with all that may be spent, the dear one answers them too."""
    first = np.arange(400) < 200
    cells = np.column_stack([~first, first])[:, :, None].astype(float)
    found = find_target(Upgrading(), replace(table(), scores=cells), 0.8, 10.0)
    assert not found.reached
    assert (found.best_score or 0) > 0.9
