from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.cascade import Cascade
from apportion.optimizers.policies.cascade_by_family import CascadeByFamily, FamilyMeans
from apportion.optimizers.tables.table import Batch, Lesson, Question, Table
from apportion.testing.planted import plant, planted_lesson


def lesson_of(seed: int = 0) -> Lesson:
    """Arms that know when they are wrong, each better on some families."""
    lesson = planted_lesson("specialists", 300.0, fit=400, validation=100, seed=seed)
    generator = np.random.default_rng(seed)

    def told(part: Table) -> Table:
        return replace(part, confidences=0.5 * part.scores + 0.5 * generator.random(part.scores.shape))

    return replace(lesson, fit=told(lesson.fit), validation=told(lesson.validation))


def test_it_gains_where_families_need_other_arms() -> None:
    lesson, fresh = lesson_of(), lesson_of(5).fit
    for budget in (150.0, 300.0):
        found = [simulate(make.fit(lesson), fresh, budget * 400) for make in (CascadeByFamily, Cascade)]
        assert found[0].cost <= budget * 400 * 1.05
        assert found[0].scores.mean() > found[1].scores.mean() + 0.02


def test_small_families_are_drawn_to_the_whole() -> None:
    table = plant("specialists", 200, seed=1).table
    few = tuple(replace(q, family="rare") if n == 0 else q for n, q in enumerate(table.questions))
    means = FamilyMeans.of(replace(table, questions=few))
    row = means.families.index("rare")
    whole, own = means.scores[-1], table.mean_scores[0]
    assert np.abs(means.scores[row] - whole).max() < 0.2 * np.abs(own - whole).max()


def test_a_family_that_is_not_known_is_served_as_all_are() -> None:
    policy = CascadeByFamily.fit(lesson_of())
    strange = Batch(tuple(Question(f"s{n}", "?", "strange") for n in range(30)))
    found = policy.assign(strange, 300.0 * 30)
    assert found.expected.sum() <= 300.0 * 30
    assert found.expected == pytest.approx(policy.costs[-1][found.arms])


def test_rows_that_do_not_fit_are_refused() -> None:
    content = CascadeByFamily.fit(lesson_of()).to_json()
    with pytest.raises(UsageError, match="every family and one more"):
        CascadeByFamily.from_json(content | {"scores": content["scores"][:-1]})
