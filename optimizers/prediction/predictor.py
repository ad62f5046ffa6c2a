"""What every arm will score and cost on questions that were not measured: the one forecast that all policies share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from ...errors import UnknownName, UsageError
from ..arrays import Floats
from ..bootstrap import standard_error
from ..concurrency import one_thread
from ..tables.clusters import cluster_numbers
from ..tables.knapsack import allocate, price_for
from ..tables.table import UNANSWERED, Arm, Batch, Lesson, Probe, Table
from .calibration import Calibration, fit_calibration
from .features import Encoder, fit_encoder
from .fitted import Array, Fitted, rounded
from .heads.base import Examples
from .heads.clusters import ClusterHead
from .heads.costs import CostHead, fit_costs
from .heads.registry import HEADS, AnyHead

__all__ = ["Prediction", "Predictor", "cross_fitted", "fit_predictor", "refitted"]

_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Forecasts for the questions of a batch."""

    scores: Floats
    """(questions, arms): expected scores in [0, 1]; expected values where wrong answers cost something."""
    costs: Floats
    """(questions, arms): mean costs, in the unit of the table; without the probe."""
    high: Floats
    """(questions, arms): what the costs stay below 19 times in 20; never below the means."""
    arm_scores: Floats
    """(arms,), or (questions, arms) where questions were learned for apart: what is foreseen of any question at all."""


class Predictor(Fitted):
    """Forecasts the score and the cost of every arm. Immutable; JSON in, JSON out."""

    arms: tuple[Arm, ...]
    probe: str | None = None
    """The probe that it needs of every question."""
    probe_cost: float = Field(default=0.0, ge=0, le=1e30)
    """What taking the probe cost on average."""
    probe_high: float = Field(default=0.0, ge=0, le=1e30)
    """What it stayed below 19 times in 20."""
    encoder: Encoder
    scores: AnyHead
    calibration: Calibration
    costs: CostHead
    arm_scores: Array
    """(arms,): mean scores on all questions of the lesson, except those that judge afterwards. Alone of all that it
    knows they are learned from the validation part too: nothing of them is tuned there."""
    learned_scores: Array | None = None
    """(arms,): mean scores where head and calibration learned. What these say of a question counts as its distance from
    here. None in files of earlier versions, where `arm_scores` are those."""
    share: float = Field(default=1.0, ge=0, le=1)
    """How much of what it knows of a question counts; the rest is the arm's mean."""
    wrong_costs: float = Field(default=0.0, ge=0, le=1e6)
    """See `Table.wrong_costs`. Heads and calibration know shares from 0 to 1: values are brought there and back."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        columns, arms = self.encoder.columns, len(self.arms)
        if not arms or len({arm.name for arm in self.arms}) < arms:
            raise ValueError("arms must be at least one, each with a name of its own")
        head = self.scores
        if isinstance(head, ClusterHead) and not len(head.centers) and len(head.means) <= len(self.encoder.families):
            raise ValueError("scores.means must have a row for every family, and one more")
        if not (
            self.scores.fits(columns, arms)
            and self.costs.fits(columns, arms)
            and all(means.shape == (arms,) for means in (self.arm_scores, self.learned_scores) if means is not None)
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
        return Prediction(self._drawn(scores), means, self.costs.high(means), self.arm_scores)

    def prepared(self, batch: Batch) -> Batch:
        """The batch with what this predictor makes of it: to predict it again, or a part of it, then costs nothing."""
        features = self.encoder.encode(batch)
        encoded = replace(batch, known={**batch.known, self.encoder.key: (features.matrix, features.groups)})
        return replace(encoded, known={**encoded.known, self.key: self._forecasts(encoded)})

    def shrunk(self, share: float) -> Predictor:
        """The same with scores drawn towards each arm's mean: 1 as learned, 0 the mean for every question."""
        if not 0 <= share <= 1:
            raise ValueError(f"a share lies between 0 and 1, got {share}")
        return self.model_copy(update={"share": share})

    def as_learned(self) -> Predictor:
        """The same without what it knows of the validation part: there it is compared with others."""
        return self if self.learned_scores is None else self.model_copy(update={"arm_scores": self.learned_scores})

    @cached_property
    def key(self) -> str:
        """The hash of its content but for the share and the means, which are applied to what is known."""
        return hashlib.sha256(self.model_dump_json(exclude={"share", "arm_scores"}).encode()).hexdigest()

    def _forecasts(self, batch: Batch) -> tuple[Floats, Floats]:
        """(questions, arms): scores, not drawn to anything, and mean costs."""
        if batch.known and self.key in batch.known:
            scores, means = batch.known[self.key]
            return scores, means
        features = self.encoder.encode(batch)
        scores = self.calibration.apply(self.scores.predict(features))
        return _values_of(scores, self.wrong_costs), self.costs.predict(features)

    def _drawn(self, scores: Floats) -> Floats:
        if self.learned_scores is not None:
            scores = np.clip(scores + (self.arm_scores - self.learned_scores), -self.wrong_costs, 1.0)
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
    with one_thread():
        return _best(lesson, names, lesson.fit.probes if probes else ())


def cross_fitted(lesson: Lesson, predictor: Predictor, folds: int = 5) -> Prediction:
    """Forecasts for the questions of `lesson.fit`, each by a predictor that has not learned from that question.

    Args:
        lesson: what the predictor was made from.
        predictor: its probe, its share and its head's settings are kept; the rest is fitted anew on each fold.
        folds: how many.
    """
    with one_thread():
        ground = _Ground(lesson, predictor.encoder, folds)
        return ground.crossed(_Draft(predictor.scores, ground.out_of_fold(predictor.scores)), predictor.share)


def refitted(predictor: Predictor, table: Table, seed: int, arm_scores: Floats | None = None) -> Predictor:
    """A predictor learned anew from another table, which may have other arms, such as cascades.

    Kept are how questions are encoded, the probe, the settings of the head and the calibration, a curve for all arms.

    Args:
        predictor: what is kept.
        table: where to learn.
        seed: of the fit.
        arm_scores: (arms,), see `Predictor.arm_scores`; the table's own where left out.
    """
    with one_thread():
        examples, learned = _examples(table, predictor.encoder), table.mean_scores.mean(axis=0)
        fields: Mapping[str, Any] = {
            "arms": table.arms,
            "probe": predictor.probe,
            "probe_cost": predictor.probe_cost,
            "probe_high": predictor.probe_high,
            "encoder": predictor.encoder,
            "scores": HEADS[predictor.head](examples, seed, predictor.scores),
            "calibration": predictor.calibration,
            "costs": fit_costs(examples, table.costs, seed),
            "arm_scores": rounded(learned if arm_scores is None else arm_scores),
            "learned_scores": rounded(learned),
            "wrong_costs": table.wrong_costs,
        }
        return Predictor(**fields)


def _best(lesson: Lesson, heads: Sequence[str], probes: Sequence[Probe]) -> Predictor:
    """The best of the heads, with the probe that is worth its cost, if there is one."""
    ground = _Ground.of(lesson, None)
    if len(heads) == 1 and not probes:
        return ground.predictor(ground.draft(heads[0]))
    price = price_for(_row(lesson.fit.mean_scores), _row(lesson.fit.mean_costs), lesson.budget)
    price = price if np.isfinite(price) else 0.0
    best = max((_Candidate.of(ground, name, price) for name in heads), key=lambda found: found.mean)
    kept, most = best, 0.0
    for probe in probes:
        rival = _Candidate.of(_Ground.of(lesson, probe.name), best.predictor.head, price)
        gains = rival.values - best.values - price * float(probe.costs.mean())
        if gains.mean() > max(most, standard_error(gains)):
            kept, most = rival, float(gains.mean())
    return kept.predictor


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    predictor: Predictor
    values: Floats
    """(questions,): what the joint allocation got, less price times cost; fit part first, then validation."""

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @classmethod
    def of(cls, ground: _Ground, head: str, price: float) -> _Candidate:
        draft, lesson = ground.draft(head), ground.lesson
        predictor = ground.predictor(draft)
        values = [
            _values(ground.crossed(draft, 1.0), lesson.fit, lesson.budget, price),
            _values(predictor.as_learned().predict(lesson.validation.batch()), lesson.validation, lesson.budget, price),
        ]
        return cls(predictor, np.concatenate(values))


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """A head, and its forecasts for questions that it has not seen, which calibration and comparison work on."""

    head: AnyHead
    """Fitted on all examples."""
    raw: Floats
    """(questions, arms): out of fold, not calibrated."""


class _Ground:
    """What all heads stand on: the questions as numbers, their folds, and what the arms cost.

    Args:
        lesson: where to learn.
        encoder: what describes the questions.
        folds: into how many parts the fit part is divided for forecasts that did not learn from the question.
    """

    def __init__(self, lesson: Lesson, encoder: Encoder, folds: int = _FOLDS) -> None:
        self.lesson = lesson
        self._encoder = encoder
        self._examples = _examples(lesson.fit, encoder)
        parts = self._examples.folds(folds, lesson.seed)
        self._folds = [(np.flatnonzero(parts != part), np.flatnonzero(parts == part)) for part in np.unique(parts)]

    @classmethod
    def of(cls, lesson: Lesson, probe: str | None) -> _Ground:
        """With an encoder of its own."""
        return cls(lesson, fit_encoder(lesson.fit.batch(), probe=probe, seed=lesson.seed))

    def draft(self, head: str) -> _Draft:
        """A head, fitted."""
        fitted = HEADS[head](self._examples, self.lesson.seed)
        return _Draft(fitted, self.out_of_fold(fitted))

    def out_of_fold(self, head: AnyHead) -> Floats:
        """(questions, arms): each forecast by a head like this one that has not seen the question."""
        scores = np.empty_like(self._examples.scores)
        for inside, outside in self._folds:
            fitted = HEADS[head.kind](self._examples.take(inside), self.lesson.seed, head)
            scores[outside] = fitted.predict(self._examples.features.take(outside))
        return scores

    def predictor(self, draft: _Draft) -> Predictor:
        """What forecasts, having learned from all questions of the fit part."""
        probe = self._encoder.probe
        taken = next((p.costs for p in self.lesson.fit.probes if p.name == probe), np.zeros(1))
        fields: Mapping[str, Any] = {
            "arms": self.lesson.fit.arms,
            "probe": probe,
            "probe_cost": float(taken.mean()),
            "probe_high": float(np.quantile(taken, 0.95)),
            "encoder": self._encoder,
            "scores": draft.head,
            "calibration": fit_calibration(draft.raw, self._examples.scores, self.lesson.seed, self._examples.clusters),
            "costs": self._costs,
            "arm_scores": rounded(self.lesson.searched.mean_scores.mean(axis=0)),
            "learned_scores": rounded(self.lesson.fit.mean_scores.mean(axis=0)),
            "wrong_costs": self.lesson.wrong_costs,
        }
        return Predictor(**fields)

    def crossed(self, draft: _Draft, share: float) -> Prediction:
        """Forecasts for the fit part: those of each fold calibrated on the others, and their costs learned there."""
        scores, means = np.empty_like(draft.raw), np.empty_like(draft.raw)
        for inside, outside in self._folds:
            some = self._examples.take(inside)
            known = some.scores
            curve = fit_calibration(draft.raw[inside], known, self.lesson.seed, some.clusters)
            means[outside] = known.mean(axis=0)
            scores[outside] = share * curve.apply(draft.raw[outside]) + (1 - share) * means[outside]
        values, arm_scores = (_values_of(each, self.lesson.wrong_costs) for each in (scores, means))
        return Prediction(values, *self._crossed_costs, arm_scores)

    @cached_property
    def _costs(self) -> CostHead:
        return fit_costs(self._examples, self.lesson.fit.costs, self.lesson.seed)

    @cached_property
    def _crossed_costs(self) -> tuple[Floats, Floats]:
        """(questions, arms) twice: means and quantiles, each learned from the other folds."""
        costs, high = np.empty_like(self._examples.costs), np.empty_like(self._examples.costs)
        for inside, outside in self._folds:
            head = fit_costs(self._examples.take(inside), self.lesson.fit.costs[inside], self.lesson.seed)
            costs[outside] = head.predict(self._examples.features.take(outside))
            high[outside] = head.high(costs[outside])
        return costs, high


def _examples(table: Table, encoder: Encoder) -> Examples:
    shares = (table.mean_scores + table.wrong_costs) / (1 + table.wrong_costs)
    features, clusters = encoder.encode(table.batch()), cluster_numbers(table)
    return Examples(features, shares, table.mean_costs, table.arms, clusters)


def _values_of(shares: Floats, wrong_costs: float) -> Floats:
    """From shares of the way between a wrong and a right answer to values."""
    return np.asarray(shares * (1 + wrong_costs) - wrong_costs) if wrong_costs else shares


def _values(prediction: Prediction, table: Table, budget: float, price: float) -> Floats:
    total, unanswered = budget * len(table.questions), table.wrong_costs > 0
    chosen = allocate(prediction.scores, prediction.costs, total, unanswered=unanswered)
    reached = table.mean_scores - price * table.mean_costs
    return np.asarray(np.where(chosen == UNANSWERED, 0.0, reached[np.arange(len(chosen)), chosen]))


def _row(matrix: Floats) -> Floats:
    return np.asarray(matrix.mean(axis=0)[None])


def _check(lesson: Lesson) -> None:
    for name, table in (("fit", lesson.fit), ("validation", lesson.validation)):
        if len(table.questions) < 2:
            raise UsageError(f"the {name} part has {len(table.questions)} questions; learning needs two at the least")
    if [arm.name for arm in lesson.fit.arms] != [arm.name for arm in lesson.validation.arms]:
        raise UsageError("the fit part and the validation part of a lesson must have the same arms, in one order")
