from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.cascade import Cascade
from apportion.optimizers.policies.static import StaticMix
from apportion.optimizers.tables.table import Lesson, Table
from apportion.testing.planted import planted_lesson


def lesson_of(sure: str, seed: int = 0) -> Lesson:
    """Confidences that tell right from wrong, or that tell nothing."""
    lesson = planted_lesson("dominating", 300.0, fit=300, validation=200, seed=seed)
    generator = np.random.default_rng(seed)

    def told(part: Table) -> Table:
        noise = generator.random(part.scores.shape)
        return replace(part, confidences=0.5 * part.scores + 0.5 * noise if sure == "knows" else noise)

    return replace(lesson, fit=told(lesson.fit), validation=told(lesson.validation))


def test_it_gains_where_arms_know_when_they_are_wrong() -> None:
    lesson, fresh = lesson_of("knows"), lesson_of("knows", seed=5)
    cascade, mixture = Cascade.fit(lesson), StaticMix.fit(lesson)
    for budget in (250.0, 400.0):
        found = [simulate(policy, fresh.fit, budget * 300) for policy in (cascade, mixture)]
        assert found[0].cost <= budget * 300 * 1.05
        assert found[0].scores.mean() > found[1].scores.mean() + 0.05


def test_it_loses_nothing_where_they_do_not() -> None:
    """Cascades that stop at random pay for answers that they throw away; single arms are there to fall back on."""
    lesson = lesson_of("nothing")
    cascade = Cascade.fit(lesson)
    fresh = lesson_of("nothing", seed=5)
    for budget in (250.0, 400.0):
        found = [simulate(policy, fresh.fit, budget * 300).scores.mean() for policy in (cascade, StaticMix.fit(lesson))]
        assert found[0] > found[1] - 0.06


def test_it_refuses_tables_without_confidences() -> None:
    lesson = planted_lesson("dominating", 300.0, fit=40, validation=20)
    without = replace(lesson, fit=replace(lesson.fit, confidences=None))
    with pytest.raises(UsageError, match="confidence"):
        Cascade.fit(without)
    silent = replace(lesson.fit, confidences=np.full(lesson.fit.scores.shape, np.nan))
    with pytest.raises(UsageError, match="confidence"):
        Cascade.fit(replace(lesson, fit=silent))


def test_an_arm_that_does_not_say_how_sure_it_is_comes_last() -> None:
    lesson = lesson_of("knows")
    silent = lesson.fit.arms[1].name
    hushed = [part.confidences.copy() for part in (lesson.fit, lesson.validation) if part.confidences is not None]
    for confidences in hushed:
        confidences[:, 1] = np.nan
    cascade = Cascade.fit(
        replace(
            lesson,
            fit=replace(lesson.fit, confidences=hushed[0]),
            validation=replace(lesson.validation, confidences=hushed[1]),
        )
    )
    assert any(arm.stages for arm in cascade.arms)
    assert all(stage.arm != silent for arm in cascade.arms for stage in arm.stages[:-1])
    assert all(arm.stages[-1].sure == 0 for arm in cascade.arms if arm.stages)
