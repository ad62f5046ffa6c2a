from __future__ import annotations

from dataclasses import replace

import numpy as np

from apportion.optimizers.policies.cascade_rehearsal import rehearse_cascades
from apportion.optimizers.policies.rehearsal import rehearse
from apportion.optimizers.prediction.predictor import fit_predictor
from apportion.optimizers.tables.cascades import outcomes_of
from apportion.optimizers.tables.table import Lesson, joined
from apportion.testing.planted import planted_lesson


def noise(seed: int) -> Lesson:
    """Confidences that tell nothing."""
    lesson = planted_lesson("clones", 300.0, fit=120, validation=30, seed=seed)
    generator = np.random.default_rng(seed)
    parts = [replace(p, confidences=generator.random(p.scores.shape)) for p in (lesson.fit, lesson.validation)]
    return replace(lesson, fit=parts[0], validation=parts[1])


def test_a_list_that_chance_found_does_not_keep_its_score() -> None:
    """On the questions it was found on it looks better than on those that its fold had not seen."""
    flattered, honest = [], []
    for seed in range(3):
        lesson = noise(seed)
        predictor = fit_predictor(lesson, head="clusters", probes=False)
        found = rehearse_cascades(lesson, predictor)
        plans = len(lesson.fit.arms)
        assert found.cascades
        whole = joined(lesson.fit, lesson.validation)
        flattered.append(outcomes_of(found.cascades, whole)[0].mean())
        honest.append(found.one.real[:, plans:].mean())
    assert np.mean(honest) < np.mean(flattered) - 0.01


def test_columns_and_questions_are_those_of_the_rehearsal() -> None:
    lesson = planted_lesson("crossing", 300.0, fit=60, validation=30, replicates=2)
    predictor = fit_predictor(lesson, head="clusters", probes=False)
    plain, found = rehearse(lesson, predictor), rehearse_cascades(lesson, predictor)
    plans = len(lesson.fit.arms)
    assert found.view.batch.questions == plain.view.batch.questions
    assert found.view.costs.shape == found.scores.shape == (90, plans + len(found.cascades))
    assert (found.scores[:, :plans] == plain.scores).all()
    assert [arm.name for arm in found.predictor.arms] == [
        *(arm.name for arm in lesson.fit.arms),
        *(arm.name for arm in found.cascades),
    ]


def test_what_is_judged_does_not_know_the_questions_that_judge() -> None:
    """What serves knows the means of all questions; each is rehearsed by those of the others."""
    lesson = planted_lesson("crossing", 300.0, fit=60, validation=30)
    turned = replace(lesson, validation=replace(lesson.validation, scores=1 - lesson.validation.scores))
    predictors = [fit_predictor(each, head="clusters", probes=False) for each in (lesson, turned)]
    one, two = (rehearse(*each) for each in zip((lesson, turned), predictors, strict=True))
    assert predictors[0].arm_scores.tolist() != predictors[1].arm_scores.tolist()
    for share in (0.0, 0.4, 1.0):
        assert (one.view.scores(share) == two.view.scores(share)).all()
    of_fit = one.view.scores(0.0)[:60]
    assert 1 < len(np.unique(of_fit, axis=0)) <= 5
