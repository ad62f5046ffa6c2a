"""Lessons from planted surfaces, and predictors that learned from them, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from apportion.optimizers.policies.rehearsal import Rehearsal, rehearse
from apportion.optimizers.prediction.predictor import Predictor, fit_predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, planted_lesson

Learned = tuple[Lesson, Predictor, Rehearsal]


@cache
def _learn(kind: Kind) -> Learned:
    lesson = planted_lesson(kind, 300.0, fit=400, validation=200, replicates=6, hidden=0.0)
    # Nothing shows of answers, so that what is best is known: it is a plan for each question.
    blind = [replace(part, confidences=None) for part in (lesson.fit, lesson.validation)]
    lesson = replace(lesson, fit=blind[0], validation=blind[1])
    predictor = fit_predictor(lesson, head="logistic", probes=False)
    return lesson, predictor, rehearse(lesson, predictor)


@cache
def _small() -> Learned:
    lesson = planted_lesson("crossing", 300.0, fit=60, validation=30, replicates=2)
    predictor = fit_predictor(lesson, head="clusters", probes=False)
    return lesson, predictor, rehearse(lesson, predictor)


@pytest.fixture(scope="session")
def learn() -> Callable[[Kind], Learned]:
    """From the kind of a planted surface to what can be learned of it."""
    return _learn


@pytest.fixture(scope="session")
def small() -> Learned:
    """Little to learn from, where it does not matter what."""
    return _small()
