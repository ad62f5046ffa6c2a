from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.prediction.confidence import (
    auroc,
    calibration_error,
    confidence_reports,
    fit_confidences,
)
from apportion.optimizers.tables.cascades import table_signs
from apportion.optimizers.tables.table import Arm, Question, Table


def world(questions: int = 600, *, seed: int = 0, slope: float = -1.5) -> Table:
    """Arm a thinks longer where it is wrong; arm b at random; arm c says nothing of its tokens."""
    draws = np.random.default_rng(seed)
    hard = draws.normal(size=(questions, 1, 1))
    family = np.arange(questions) % 2
    chances = 1 / (1 + np.exp(slope * -hard - 1.0 * family[:, None, None]))
    scores = (draws.random((questions, 3, 1)) < chances).astype(np.float64)
    thinking = np.exp(5 + hard + 0.3 * draws.normal(size=(questions, 3, 1)))
    thinking[:, 1] = np.exp(5 + draws.normal(size=(questions, 1)))
    thinking[:, 2] = np.nan
    output = thinking + 20.0
    return Table(
        tuple(Question(str(n), "?", "even" if n % 2 else "odd") for n in range(questions)),
        (Arm("a"), Arm("b"), Arm("c")),
        scores,
        np.ones((questions, 3, 1)),
        thinking_tokens=thinking,
        output_tokens=output,
    )


def test_it_learns_that_long_thinking_is_a_bad_sign() -> None:
    found, table = fit_confidences(world()), world(seed=1)
    told = found.arms["a"]
    assert told.weights[0] < -0.5
    fresh = told.of(*table_signs(table, 0))
    assert (auroc(fresh.ravel(), table.right[:, 0].ravel()) or 0) > 0.8
    assert calibration_error(fresh.ravel(), table.right[:, 0].ravel()) < 0.08


def test_a_question_has_no_part_in_what_is_said_of_it() -> None:
    """Turned scores of one question change what is learned, but not what its own fold is told."""
    table = world(100)
    turned = table.scores.copy()
    turned[7] = 1 - turned[7]
    before, after = fit_confidences(table), fit_confidences(replace(table, scores=turned))
    assert before.held_out[7] == pytest.approx(after.held_out[7], nan_ok=True)
    assert before.arms["a"] != after.arms["a"]


def test_where_nothing_is_learned_the_arms_own_word_stays() -> None:
    table = world()
    calm = np.random.default_rng(2).random(table.scores.shape)
    honest = replace(table, thinking_tokens=None, output_tokens=None, confidences=np.full(table.scores.shape, 0.5))
    blind = replace(
        honest, scores=(calm < 0.5).astype(np.float64), questions=tuple(replace(q, family="") for q in table.questions)
    )
    found = fit_confidences(blind)
    assert dict(found.arms) == {}
    assert (found.held_out == 0.5).all()


def test_an_overconfident_arm_is_brought_down() -> None:
    table = world()
    boast = 0.9 + 0.1 * table.scores * 0.5
    found = fit_confidences(replace(table, confidences=boast))
    assert set(found.arms) == {"a", "b", "c"}
    (first, *_) = confidence_reports(replace(table, confidences=boast))
    assert first.kind == "calibrated"
    assert first.auroc == pytest.approx(1.0, abs=0.01)
    assert first.calibration_error < 0.05


@pytest.mark.parametrize(
    "change",
    [
        lambda table: replace(table, thinking_tokens=None, output_tokens=None),
        lambda table: replace(table, scores=np.ones(table.scores.shape)),
        lambda table: replace(table, scores=np.zeros(table.scores.shape)),
        lambda table: replace(table, abstained=np.ones(table.scores.shape)),
        lambda table: replace(table, thinking_tokens=np.full(table.scores.shape, np.nan)),
        lambda table: replace(table, thinking_tokens=np.full(table.scores.shape, 1e300)),
        lambda table: replace(table, output_tokens=np.zeros(table.scores.shape)),
        lambda table: table.take(np.arange(3)),
        lambda table: table.take(np.arange(0)),
    ],
)
def test_odd_tables_give_probabilities_or_nothing(change: object) -> None:
    """No tokens, all right, all wrong, none answered, not known, huge, less output than thinking, few questions."""
    assert callable(change)
    table: Table = change(world(80))
    found = fit_confidences(table)
    told = found.held_out[np.isfinite(found.held_out)]
    assert ((told > 0) & (told < 1)).all()
    for report in confidence_reports(table):
        assert report.auroc is None or 0 <= report.auroc <= 1
        assert 0 <= report.calibration_error <= 1


def test_reports_are_of_arms_that_show_something() -> None:
    reports = {report.arm: report for report in confidence_reports(world())}
    assert reports["a"].signs == ("thinking_tokens",)
    assert (reports["a"].auroc or 0) > 0.75
    assert reports["a"].answers == 600
    # Of c only the family is known, which says something too.
    assert reports["c"].signs == ()
    assert 0.5 < (reports["c"].auroc or 0) < (reports["a"].auroc or 0)


def test_gaps_are_no_answers() -> None:
    table = world()
    ran = np.ones((600, 3), bool)
    ran[::2, 2] = False
    scores, costs = (np.where(ran[:, :, None], cells, np.nan) for cells in (table.scores, table.costs))
    gaps = replace(table, ran=ran, scores=scores, costs=costs)
    with pytest.raises(UsageError, match="strata"):
        fit_confidences(gaps)
    assert {report.arm: report.answers for report in confidence_reports(gaps)}["a"] == 600


def test_auroc_counts_pairs_and_ties_for_half() -> None:
    assert auroc(np.array([0.1, 0.9]), np.array([0.0, 1.0])) == 1
    assert auroc(np.array([0.9, 0.1]), np.array([0.0, 1.0])) == 0
    assert auroc(np.array([0.5, 0.5, 0.5]), np.array([0.0, 1.0, 1.0])) == 0.5
    assert auroc(np.array([0.3, 0.4]), np.array([1.0, 1.0])) is None
    # An answer that is half right counts among both.
    assert auroc(np.array([0.2, 0.4]), np.array([0.5, 0.5])) == 0.5


def test_calibration_error_is_the_distance_from_what_came() -> None:
    half = np.full(100, 0.5)
    right = np.tile([0.0, 1.0], 50)
    assert calibration_error(half, right) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.9), right) == pytest.approx(0.4)


def test_a_template_has_no_part_in_what_is_said_of_its_questions() -> None:
    """Questions of one cluster are in one fold: turned scores of one change nothing that is said of the others."""
    table = replace(world(100), clusters=tuple(f"t{n // 5}" for n in range(100)))
    turned = table.scores.copy()
    turned[7] = 1 - turned[7]
    before, after = fit_confidences(table), fit_confidences(replace(table, scores=turned))
    assert before.held_out[5:10, 0] == pytest.approx(after.held_out[5:10, 0])


def test_an_arm_that_knows_better_keeps_its_own_confidence() -> None:
    """What is learned foretells better than a rate, and worse than what the arm says of itself."""
    table = world()
    told = np.where(table.scores > 0, 0.999, 0.001)
    found = fit_confidences(replace(table, confidences=told))
    assert dict(found.arms) == {}
    assert (found.held_out == told).all()
