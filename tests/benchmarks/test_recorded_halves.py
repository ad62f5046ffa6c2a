from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.tables.table import Arm, Question, Table
from benchmarks.recorded_halves import Evidence, halves, lesson_of


def test_halves_are_disjoint_and_hold_everything() -> None:
    for learned, tested in halves(101, 3):
        assert sorted([*learned, *tested]) == list(range(101))
        assert abs(len(learned) - len(tested)) == 1
    (first, _), (second, _) = halves(101, 2)
    assert first.tolist() != second.tolist()


def test_validation_has_some_of_every_family() -> None:
    questions = tuple(Question(f"q{i}", "text", f"family {i % 5}") for i in range(100))
    table = Table(questions, (Arm("a"),), np.zeros((100, 1, 1)), np.ones((100, 1, 1)))
    lesson = lesson_of(table, 1.0, 3)
    assert len(lesson.fit.questions) + len(lesson.validation.questions) == 100
    assert {question.family for question in lesson.validation.questions} == {f"family {i}" for i in range(5)}


def test_intervals_are_about_as_wide_as_theory_says() -> None:
    draws = np.random.default_rng(0)
    values = draws.normal(0.3, 1.0, 2000)
    parts = [(tested, values[tested][:, None]) for _, tested in halves(2000, 20)]
    found = Evidence(2000, parts).find(lambda means: means[..., 0])
    assert found.over_halves.mean == pytest.approx(values.mean(), abs=0.02)
    # Over questions: nearly every question is in some test half, so about 1 / sqrt(2000) is one standard error.
    width = found.over_questions.high - found.over_questions.low
    assert width == pytest.approx(2 * 1.96 / np.sqrt(2000), rel=0.25)
    assert found.over_halves.high - found.over_halves.low < width


def test_a_ratio_is_taken_within_each_half() -> None:
    first = np.array([0, 1]), np.array([[1.0, 2.0], [3.0, 2.0]])
    second = np.array([2, 3]), np.array([[1.0, 4.0], [1.0, 4.0]])
    evidence = Evidence(4, [first, second])
    assert evidence.values(lambda means: means[..., 0] / means[..., 1]).tolist() == [1.0, 0.25]
