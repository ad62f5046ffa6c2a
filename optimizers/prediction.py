"""What every arm will score and cost on questions that were not measured: the one forecast that all policies share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ..errors import UnknownName, UsageError
from .calibration import Calibration, fit_calibration
from .features import Encoder, fit_encoder
from .fitted import Array, Fitted, rounded
from .heads.base import Examples, folds_of
from .heads.costs import CostHead, fit_costs
from .heads.registry import HEADS, AnyHead
from .knapsack import allocate, price_for
from .policies.base import Lesson
from .table import Arm, Batch, Table

__all__ = ["Prediction", "Predictor", "cross_fitted", "fit_predictor"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Forecasts for the questions of a batch."""

    scores: Floats
    """(questions, arms): expected scores in [0, 1]."""
    costs: Floats
    """(questions, arms): mean costs, in the unit of the table; without the probe."""
    high: Floats
    """(questions, arms): what the costs stay below 19 times in 20; never below the means."""


class Predictor(Fitted):
    """Forecasts the score and the cost of every arm. Immutable; JSON in, JSON out."""

    arms: tuple[Arm, ...]
    probe: str | None = None
    """The probe that it needs of every question."""
    probe_cost: float = 0.0
    """What taking the probe cost on average."""
    probe_high: float = 0.0
    """What it stayed below 19 times in 20."""
    encoder: Encoder
    scores: AnyHead
    calibration: Calibration
    costs: CostHead
    arm_scores: Array
    """(arms,): mean scores where it learned."""
    share: float = Field(default=1.0, ge=0, le=1)
    """How much of what it knows of a question counts; the rest is the arm's mean."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        columns, arms = self.encoder.columns, len(self.arms)
        if not (
            self.scores.fits(columns, arms) and self.costs.fits(columns, arms) and self.arm_scores.shape == (arms,)
        ):
            raise ValueError(
                "its parts are not for the same arms and columns; write the file anew instead of editing it"
            )
        return self

    @property
    def head(self) -> str:
        """The name of the head that predicts the scores."""
        return self.scores.kind

    def predict(self, batch: Batch) -> Prediction:
        """Forecasts for a batch.

        Raises:
            UsageError: the batch lacks the probe.
        """
        scores, means = self._forecasts(batch)
        return Prediction(self._drawn(scores), means, self.costs.high(means))

    def prepared(self, batch: Batch) -> Batch:
        """The batch with what this predictor makes of it: to predict it again, or a part of it, then costs nothing."""
        features = self.encoder.encode(batch)
        known = {self.encoder.key: (features.matrix, features.groups), self.key: self._forecasts(batch)}
        return replace(batch, known={**batch.known, **known})

    def shrunk(self, share: float) -> Predictor:
        """The same with scores drawn towards each arm's mean: 1 as learned, 0 the mean for every question."""
        if not 0 <= share <= 1:
            raise ValueError(f"a share lies between 0 and 1, got {share}")
        return self.model_copy(update={"share": share})

    @cached_property
    def key(self) -> str:
        """The hash of its content; the share is not part of it, because it is applied to what is known."""
        return hashlib.sha256(self.model_dump_json(exclude={"share"}).encode()).hexdigest()

    def _forecasts(self, batch: Batch) -> tuple[Floats, Floats]:
        """(questions, arms): scores, not drawn to anything, and mean costs."""
        if batch.known and self.key in batch.known:
            scores, means = batch.known[self.key]
            return scores, means
        features = self.encoder.encode(batch)
        return self.calibration.apply(self.scores.predict(features)), self.costs.predict(features)

    def _drawn(self, scores: Floats) -> Floats:
        return self.share * scores + (1 - self.share) * self.arm_scores


def fit_predictor(lesson: Lesson, *, head: str | None = None, probes: bool = True) -> Predictor:
    """Learns to forecast.

    Heads and probes are compared by what the joint allocation gets from their forecasts at the lesson's budget: the
    score reached on questions that were not learned from, less what was spent at the price of the budget. Those
    questions are the validation part and, through cross-fitting, the fit part.

    Args:
        lesson: where to learn and to compare.
        head: the only head to fit; all of `HEADS` are compared where it is left out.
        probes: whether one probe may be used, with the head that is best without. It is kept only where its gain is
            above price times what it costs, by more than one standard error.

    Raises:
        UnknownName: there is no such head.
        UsageError: a part has fewer than two questions, or the parts do not have the same arms.
    """
    if head is not None and head not in HEADS:
        raise UnknownName("head", head, HEADS)
    _check(lesson)
    names = [head] if head is not None else list(HEADS)
    if len(names) == 1 and not (probes and lesson.fit.probes):
        return _Draft.of(lesson, names[0], None).predictor(lesson)
    price = price_for(_row(lesson.fit.mean_scores), _row(lesson.fit.mean_costs), lesson.budget)
    price = price if np.isfinite(price) else 0.0
    best = max((_Candidate.of(lesson, name, None, price) for name in names), key=lambda found: found.mean)
    kept, most = best, 0.0
    for probe in lesson.fit.probes if probes else ():
        rival = _Candidate.of(lesson, best.predictor.head, probe.name, price)
        gains = rival.values - best.values - price * float(probe.costs.mean())
        if gains.mean() > max(most, float(gains.std(ddof=1)) / np.sqrt(len(gains))):
            kept, most = rival, float(gains.mean())
    return kept.predictor


def cross_fitted(lesson: Lesson, predictor: Predictor, folds: int = 5) -> Prediction:
    """Forecasts for the questions of `lesson.fit`, each by a predictor that has not learned from that question.

    Args:
        lesson: what the predictor was made from.
        predictor: its probe, its share and its head's settings are kept; the rest is fitted anew on each fold.
        folds: how many.
    """
    examples = _examples(lesson.fit, predictor.encoder)
    raw = _out_of_fold(examples, predictor.scores, folds, lesson.seed)
    return _crossed(lesson, _Draft(predictor.encoder, examples, predictor.scores, raw), folds, predictor.share)


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    predictor: Predictor
    values: Floats
    """(questions,): what the joint allocation got, less price times cost; fit part first, then validation."""

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @classmethod
    def of(cls, lesson: Lesson, head: str, probe: str | None, price: float) -> _Candidate:
        draft = _Draft.of(lesson, head, probe)
        predictor = draft.predictor(lesson)
        values = [
            _values(_crossed(lesson, draft, _FOLDS, 1.0), lesson.fit, lesson.budget, price),
            _values(predictor.predict(lesson.validation.batch()), lesson.validation, lesson.budget, price),
        ]
        return cls(predictor, np.concatenate(values))


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """A head, and its forecasts for questions that it has not seen, which calibration and comparison work on."""

    encoder: Encoder
    examples: Examples
    head: AnyHead
    """Fitted on all examples."""
    raw: Floats
    """(questions, arms): out of fold, not calibrated."""

    @classmethod
    def of(cls, lesson: Lesson, head: str, probe: str | None) -> _Draft:
        encoder = fit_encoder(lesson.fit.batch(), probe=probe, seed=lesson.seed)
        examples = _examples(lesson.fit, encoder)
        fitted = HEADS[head](examples, lesson.seed)
        return cls(encoder, examples, fitted, _out_of_fold(examples, fitted, _FOLDS, lesson.seed))

    def predictor(self, lesson: Lesson) -> Predictor:
        """What forecasts, having learned from all questions of the fit part."""
        probe = self.encoder.probe
        taken = next((p.costs for p in lesson.fit.probes if p.name == probe), np.zeros(1))
        fields: Mapping[str, Any] = {
            "arms": lesson.fit.arms,
            "probe": probe,
            "probe_cost": float(taken.mean()),
            "probe_high": float(np.quantile(taken, 0.95)),
            "encoder": self.encoder,
            "scores": self.head,
            "calibration": fit_calibration(self.raw, self.examples.scores, lesson.seed),
            "costs": fit_costs(self.examples, lesson.fit.costs, lesson.seed),
            "arm_scores": rounded(self.examples.scores.mean(axis=0)),
        }
        return Predictor(**fields)


def _crossed(lesson: Lesson, draft: _Draft, folds: int, share: float) -> Prediction:
    """Calibrates the forecasts of each fold on the others, and forecasts its costs from them."""
    examples = draft.examples
    parts = folds_of(len(examples), min(folds, len(examples)), lesson.seed)
    scores, costs, high = (np.empty_like(draft.raw) for _ in range(3))
    for part in np.unique(parts):
        inside, outside = np.flatnonzero(parts != part), np.flatnonzero(parts == part)
        curve = fit_calibration(draft.raw[inside], examples.scores[inside], lesson.seed)
        means = examples.scores[inside].mean(axis=0)
        scores[outside] = share * curve.apply(draft.raw[outside]) + (1 - share) * means
        head = fit_costs(examples.take(inside), lesson.fit.costs[inside], lesson.seed)
        costs[outside] = head.predict(examples.features.take(outside))
        high[outside] = head.high(costs[outside])
    return Prediction(scores, costs, high)


def _out_of_fold(examples: Examples, head: AnyHead, folds: int, seed: int) -> Floats:
    """(questions, arms): each forecast by a head like this one that has not seen the question."""
    parts = folds_of(len(examples), min(folds, len(examples)), seed)
    scores = np.empty_like(examples.scores)
    for part in np.unique(parts):
        outside = np.flatnonzero(parts == part)
        fitted = HEADS[head.kind](examples.take(np.flatnonzero(parts != part)), seed, head)
        scores[outside] = fitted.predict(examples.features.take(outside))
    return scores


def _examples(table: Table, encoder: Encoder) -> Examples:
    return Examples(encoder.encode(table.batch()), table.mean_scores, table.mean_costs, table.arms)


def _values(prediction: Prediction, table: Table, budget: float, price: float) -> Floats:
    chosen = allocate(prediction.scores, prediction.costs, budget * len(table.questions))
    everyone = np.arange(len(chosen))
    return np.asarray(table.mean_scores[everyone, chosen] - price * table.mean_costs[everyone, chosen])


def _row(matrix: Floats) -> Floats:
    return np.asarray(matrix.mean(axis=0)[None])


def _check(lesson: Lesson) -> None:
    for name, table in (("fit", lesson.fit), ("validation", lesson.validation)):
        if len(table.questions) < 2:
            raise UsageError(f"the {name} part has {len(table.questions)} questions; learning needs two at the least")
    if [arm.name for arm in lesson.fit.arms] != [arm.name for arm in lesson.validation.arms]:
        raise UsageError("the fit part and the validation part of a lesson must have the same arms, in one order")
