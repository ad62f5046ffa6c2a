"""Questions with forecasts that did not learn from them, and what really came of every arm: where ways are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import Floats
from ..prediction.predictor import Prediction, Predictor, cross_fitted
from ..tables.table import Lesson
from .cascade_rehearsal import CascadeRehearsal, Forecasts, rehearse_cascades
from .correction_rehearsal import Way, rehearse_corrections
from .rehearsed import alone, batch_of, first
from .view import View

__all__ = ["Rehearsal", "on_validation", "rehearse"]


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Questions on which plans can be judged by what they really reach."""

    view: View
    scores: Floats
    """(questions, arms): means over replicates."""
    lesson: Lesson
    predictor: Predictor
    """Of the lesson."""

    @cached_property
    def cascades(self) -> CascadeRehearsal:
        """The same questions with cascades among the arms, each found without the question; searched when asked for."""
        return rehearse_cascades(self.lesson, self.predictor)

    @cached_property
    def corrections(self) -> Mapping[Way, Forecasts]:
        """The same questions with cascades that are corrected as the other folds teach, in every way."""
        return rehearse_corrections(self.cascades)


def on_validation(lesson: Lesson, predictor: Predictor) -> Rehearsal:
    """The validation part alone: for policies that learned something of their own from the fit part."""
    part = first(lesson.validation)
    ahead = predictor.as_learned().shrunk(1.0).predict(part.batch())
    return Rehearsal(View(predictor, part.batch(), ahead), part.mean_scores, lesson, predictor)


def rehearse(lesson: Lesson, predictor: Predictor) -> Rehearsal:
    """The validation part and, where it is small, the fit part with cross-fitted forecasts.

    The score of a plan on two hundred questions is uncertain by three points, which is more than ways of planning
    differ by; a choice by such numbers is a choice by chance, and worse for a method the more ways it has.
    """
    if alone(lesson):
        return on_validation(lesson, predictor)
    fit = first(lesson.fit)
    out_of_fold = cross_fitted(Lesson(fit, lesson.validation, lesson.budget, lesson.seed), predictor.shrunk(1.0))
    ahead = predictor.as_learned().shrunk(1.0).predict(lesson.validation.batch())
    both = Prediction(
        np.concatenate([out_of_fold.scores, ahead.scores]),
        np.concatenate([out_of_fold.costs, ahead.costs]),
        np.concatenate([out_of_fold.high, ahead.high]),
        np.concatenate([out_of_fold.arm_scores, np.broadcast_to(ahead.arm_scores, ahead.scores.shape)]),
    )
    view = View(predictor, batch_of(fit, lesson.validation), both)
    return Rehearsal(view, np.concatenate([fit.mean_scores, lesson.validation.mean_scores]), lesson, predictor)
