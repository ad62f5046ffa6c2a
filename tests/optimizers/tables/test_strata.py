from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.split import best_arms, lessons_from, mean_at
from apportion.optimizers.tables.strata import strata
from apportion.optimizers.tables.table import Arm, Lesson, Question, Table


def table(count: int = 40) -> Table:
    """Arm c is the best and is run on every other question only, which are those of family 0."""
    questions = tuple(Question(f"q{i}", "", f"f{i % 2}") for i in range(count))
    scores, costs = np.tile([0.25, 0.75, 1.0], (count, 1)), np.tile([1.0, 5.0, 9.0], (count, 1))
    ran = np.ones((count, 3), bool)
    ran[1::2, 2] = False
    scores, costs = (np.where(ran, each, np.nan)[:, :, None] for each in (scores, costs))
    return Table(questions, tuple(Arm(a) for a in "abc"), scores, costs, ran=ran)


def test_questions_are_put_together_by_the_arms_that_were_run_on_them() -> None:
    found = {stratum.questions[0]: stratum for stratum in strata(table())}
    assert [arm.name for arm in found[0].table.arms] == ["a", "b", "c"]
    assert [arm.name for arm in found[1].table.arms] == ["a", "b"]
    assert not any(stratum.table.gaps or np.isnan(stratum.table.scores).any() for stratum in found.values())
    assert sorted(np.concatenate([stratum.questions for stratum in found.values()])) == list(range(40))
    whole = table().with_arms([0, 1])
    (only,) = strata(whole)
    assert [q.name for q in only.table.questions] == [q.name for q in whole.questions]


def test_a_family_on_which_an_arm_was_run_in_part_is_refused() -> None:
    torn = replace(table(), questions=tuple(Question(f"q{i}", "", "one") for i in range(40)))
    with pytest.raises(UsageError, match="family 'one' only"):
        strata(torn)


def test_gaps_have_no_values_and_values_no_gaps() -> None:
    whole = table()
    assert whole.ran is not None
    for wrong in ({"scores": np.zeros_like(whole.scores)}, {"ran": None}, {"ran": np.ones((2, 2), bool)}):
        with pytest.raises(UsageError):
            replace(whole, **wrong)
    with pytest.raises(UsageError, match="fit_each"):
        Lesson(whole, whole, 5.0)


def test_lessons_and_best_arms_of_each_stratum() -> None:
    lessons = lessons_from(table())
    assert sorted(len(lesson.fit.arms) for lesson in lessons) == [2, 3]
    assert [len(lesson.fit.questions) for lesson in lessons] == [14, 14]
    best = best_arms(table())
    assert best.tolist() == [2, 1] * 20
    assert best_arms(table(), 6.0).tolist() == [1] * 40
    assert mean_at(table().mean_scores, best) == pytest.approx(0.875)
    assert {lesson.budget for lesson in lessons} == {7.0}
    assert {lesson.budget for lesson in lessons_from(table(), 3.0)} == {3.0}
    with pytest.raises(UsageError, match="too few"):
        lessons_from(table(2))
    # A part with fewer than four questions is not divided.
    few = table(40).take(np.array([0, 1, 2, 3, 4, 6, 8, 10]))
    assert sorted(len(lesson.validation.questions) for lesson in lessons_from(few)) == [0, 2]
