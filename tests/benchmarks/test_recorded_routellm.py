from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorded_rivals import FamilyMeans, GapRidge, family_scores
from benchmarks.recorded_routellm import reach, sent_first, without_families
from benchmarks.recorded_tables import routellm_table


def test_gap_times_reach_is_the_area_under_the_curve() -> None:
    draws = np.random.default_rng(0)
    weak, strong, strength = draws.random(400), draws.random(400) + 0.3, draws.random(400)
    gaps = strong - weak
    area = float((gaps * reach(sent_first(strength))).sum() / gaps.sum())
    recovered = np.append(0.0, np.cumsum(gaps[np.argsort(-strength)])) / gaps.sum()
    at = np.linspace(0, 1, 21)
    assert area == pytest.approx(np.trapezoid(np.interp(at, np.linspace(0, 1, 401), recovered), at), abs=2e-3)


def test_what_a_policy_leaves_unspent_is_filled_up_at_random() -> None:
    sent = [np.array([False, False]), np.array([True, False]), np.array([True, False])]
    assert reach(sent).tolist() == [0.75, 0.25]


def test_ridge_and_families_learn_which_questions_are_hard(records: Path) -> None:
    table = routellm_table(records / "routellm", "mmlu")
    hard = np.array([question.family == "algebra" for question in table.questions])
    learned, tested = np.arange(0, 30), np.arange(30, 59)
    gaps = table.mean_scores[:, 1] - table.mean_scores[:, 0]
    for known in (table, without_families(table)):
        strengths = GapRidge(known.questions).strengths(gaps, learned, tested)
        assert strengths[hard[tested]].min() > strengths[~hard[tested]].max()
    scores, _ = FamilyMeans.of(table.take(learned)).forecasts(table.take(tested))
    assert (scores[:, 1] - scores[:, 0])[hard[tested]].min() > 0.4


def test_a_family_that_was_not_seen_has_the_means_of_all(records: Path) -> None:
    table = routellm_table(records / "routellm", "mmlu")
    strange = replace(table, questions=tuple(replace(q, family="other") for q in table.questions))
    scores, costs = FamilyMeans.of(table).forecasts(strange)
    assert scores[0] == pytest.approx(table.mean_scores.mean(axis=0))
    assert costs[0] == pytest.approx([0, 1])


def test_a_high_price_buys_the_cheap_arm(records: Path) -> None:
    table = routellm_table(records / "routellm", "mmlu")
    free, dear = family_scores(table, np.array([1e-9, 100.0]))
    assert dear == pytest.approx(table.mean_scores[:, 0].mean())
    assert free > dear + 0.2
