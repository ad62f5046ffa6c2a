from __future__ import annotations

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.split import best_arm, lesson_from, set_aside
from apportion.optimizers.tables.table import Arm, Question, Table


def table(count: int, families: int = 2) -> Table:
    questions = tuple(Question(f"q{i}", "", f"f{i % families}") for i in range(count))
    scores, costs = np.tile([0.25, 0.75, 0.75, 0.5], (count, 1)), np.tile([1.0, 5.0, 4.0, 2.0], (count, 1))
    return Table(questions, tuple(Arm(a) for a in "abcd"), scores[:, :, None], costs[:, :, None])


def names(part: Table) -> set[str]:
    return {question.name for question in part.questions}


def test_what_is_set_aside_depends_on_names_and_share_only() -> None:
    whole = table(1000)
    learned, aside = set_aside(whole, 0.3)
    assert names(learned) | names(aside) == names(whole)
    assert not names(learned) & names(aside)
    assert len(aside.questions) == pytest.approx(300, abs=45)
    assert names(set_aside(whole.take(np.arange(999, 499, -1)), 0.3)[1]) == {
        n for n in names(aside) if int(n[1:]) >= 500
    }
    assert names(set_aside(whole, 0.2)[1]) < names(aside)
    assert set_aside(whole, 0)[1].questions == ()
    with pytest.raises(UsageError, match="below 1, not 1"):
        set_aside(whole, 1)


def test_lessons_divide_every_family() -> None:
    lesson = lesson_from(table(200, families=4), seed=1)
    assert (len(lesson.fit.questions), len(lesson.validation.questions)) == (140, 60)
    assert not names(lesson.fit) & names(lesson.validation)
    shares = [sum(q.family == f"f{f}" for q in lesson.validation.questions) for f in range(4)]
    assert shares == [15, 15, 15, 15]
    assert names(lesson_from(table(200, families=4), seed=1).fit) == names(lesson.fit)
    assert names(lesson_from(table(200, families=4), seed=2).fit) != names(lesson.fit)


def test_the_budget_is_that_of_the_best_arm_unless_named() -> None:
    assert lesson_from(table(4)).budget == 4
    assert (lesson_from(table(4), 2.5).budget, lesson_from(table(4), seed=3).seed) == (2.5, 3)
    assert all(len(part.questions) >= 1 for part in (lesson_from(table(4)).fit, lesson_from(table(4)).validation))
    with pytest.raises(UsageError, match="3 questions are too few"):
        lesson_from(table(3))


def test_the_best_arm_within_a_budget() -> None:
    assert [best_arm(table(4), budget) for budget in (np.inf, 4, 3.9, 1.5, 0.5)] == [2, 2, 3, 0, 0]
