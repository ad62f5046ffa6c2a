"""How sure answers are, learned from a table: a logistic regression for each arm, drawn towards that of all arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from ...errors import UsageError
from ..arrays import Bools, Floats, Ints
from ..concurrency import one_thread
from ..finding import Finding
from ..regression import logit, sigmoid
from ..tables.cascades import table_signs
from ..tables.clusters import cluster_numbers
from ..tables.confidence import SIGNS, Confidence, standardised
from ..tables.strata import strata
from ..tables.table import Table
from .fitted import rounded
from .heads.base import folds_of

__all__ = ["ConfidenceReport", "FittedConfidences", "confidence_reports", "fit_confidences"]

_FOLDS = 5
_FEWEST = 30
"""Answers of an arm, below which nothing is learned of it."""
_FEW = 10
"""Answers to questions of a family, below which it has no offset."""
_FAMILIES = 32
"""The most families with offsets, the largest first."""
_CELLS = 4000
"""Replicates beyond so many cells an arm are not learned from: they say little that is new."""
_SHARED = 1.0
"""The penalty on the squares of what all arms share, signs being standardised."""
_OWN = 10.0
"""That on what sets an arm apart."""
_BIAS = 0.1
_STEPS = 30
_SETTLED = 1e-6
_LONGEST = 2.0
"""The most that a weight moves in one step, so that an arm that is nearly always right does not run away."""
_EDGE = 1e-3
_BINS = 10
_LEAST_SPREAD = 1e-6
_STIR = 1e-3
"""Standard deviations by which a sign must vary at least somewhere, beyond what rounding does."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedConfidences:
    """How sure the arms of a table are of their answers."""

    arms: Mapping[str, Confidence]
    """By the arm's name, where it foretells better than the arm's own confidence and its rate of right answers do."""
    held_out: Floats
    """(questions, arms, replicates): how sure each answer is to whoever has not learned from its question: calibrated
    for the arms above, the arm's own confidence for others; NaN where nobody knows, or there is no answer."""


class ConfidenceReport(Finding):
    """How well the confidence of an arm tells right answers from wrong ones, on questions it was not learned from."""

    arm: str
    kind: Literal["calibrated", "raw"]
    """calibrated: learned from the signs below; raw: what the arm itself says."""
    signs: tuple[str, ...]
    """What it reads; the family of the question beside it."""
    answers: int
    """Answers that it was judged on; abstentions are none."""
    right: float
    """The share of them that is right."""
    auroc: float | None
    """The chance that a right answer has a higher confidence than a wrong one; None where all are right, or wrong."""
    calibration_error: float
    """Expected calibration error (Naeini, Cooper and Hauskrecht 2015): by how much confidence and share of right
    answers differ on average, over ten bins of equal size."""


def fit_confidences(table: Table, seed: int = 0) -> FittedConfidences:
    """Learns for every arm how sure its answers are.

    Of the signs and the family (see `Confidence`). What all arms share is learned first, then what sets each apart, as
    little as its own answers demand (partial pooling, Gelman and Hill 2007). An arm keeps its own confidence, or none,
    where what was learned has no lower log loss on questions of other folds.

    Args:
        table: what to learn from; without gaps.
        seed: of the folds.
    """
    if table.gaps:
        raise UsageError("confidences are learned from a table without gaps; see `strata`")
    nothing = np.full(table.scores.shape, np.nan)
    raw = nothing if table.confidences is None else np.where(table.answered, table.confidences, np.nan)
    if not table.shows_confidence or len(table.questions) < _FEWEST:
        return FittedConfidences(MappingProxyType({}), raw)
    with one_thread():
        ground = _Ground(table)
        parts = folds_of(len(table.questions), _FOLDS, seed, cluster_numbers(table))
        folded = np.full(table.scores.shape, np.nan)
        rates = np.full(table.scores.shape, np.nan)
        for part in np.unique(parts):
            outside = np.flatnonzero(parts == part)
            folded[outside], rates[outside] = ground.foreseen(np.flatnonzero(parts != part), outside)
        better = [arm for arm in range(len(table.arms)) if _worth(table, arm, folded[:, arm], raw, rates[:, arm])]
        found = ground.fit(np.arange(len(table.questions)))
    kept = {table.arms[arm].name: found[arm] for arm in better if arm in found}
    held_out = raw.copy()
    for arm in better:
        held_out[:, arm] = folded[:, arm]
    return FittedConfidences(MappingProxyType(kept), held_out)


def confidence_reports(table: Table, seed: int = 0) -> tuple[ConfidenceReport, ...]:
    """What the confidences of arms are worth; of arms that show nothing, nothing.

    Args:
        table: questions to learn from; each is judged by what was learned from the others.
        seed: of the folds.
    """
    held_out, learned = np.full(table.scores.shape, np.nan), dict[str, Confidence]()
    for stratum in strata(table):
        found = fit_confidences(stratum.table, seed)
        places = np.array([table.arm(arm.name) for arm in stratum.table.arms], np.intp)
        held_out[np.ix_(stratum.questions, places)] = found.held_out
        learned |= found.arms
    reports = []
    for number, arm in enumerate(table.arms):
        sure, own = held_out[:, number], learned.get(arm.name)
        judged = np.isfinite(sure)
        if not judged.any():
            continue
        right, told = table.right[:, number][judged], sure[judged]
        read = ("confidence",) if own is None else tuple(n for n, w in zip(SIGNS, own.weights, strict=True) if w)
        reports.append(
            ConfidenceReport(
                arm=arm.name,
                kind="raw" if own is None else "calibrated",
                signs=read,
                answers=len(right),
                right=float(right.mean()),
                auroc=auroc(told, right),
                calibration_error=calibration_error(told, right),
            )
        )
    return tuple(reports)


def auroc(sure: Floats, right: Floats) -> float | None:
    """The area under the ROC curve: of pairs of a right and a wrong answer, how many are in order; ties count half.

    Args:
        sure: (answers,).
        right: (answers,), in [0, 1]: one that is partly right counts among both, in proportion.

    Returns:
        None where there are no pairs.
    """
    values, places = np.unique(sure, return_inverse=True)
    rights = np.bincount(places, right, len(values))
    wrongs = np.bincount(places, 1 - right, len(values))
    pairs = float(rights.sum() * wrongs.sum())
    below = np.append(0.0, wrongs.cumsum()[:-1])
    return float((rights * (below + wrongs / 2)).sum()) / pairs if pairs > 0 else None


def calibration_error(sure: Floats, right: Floats) -> float:
    """The mean distance between confidence and share of right answers, over ten bins of equally many; at least one."""
    order = np.argsort(sure, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    return float(sum(abs(float((sure[each] - right[each]).sum())) for each in bins)) / len(order)


class _Ground:
    """A table as the regressions need it."""

    def __init__(self, table: Table) -> None:
        replicates = max(1, min(table.scores.shape[2], _CELLS // max(1, len(table.questions))))
        self._shape = table.scores.shape
        found = [table_signs(table, arm)[0] for arm in range(len(table.arms))]
        self._signs = np.stack(found, axis=2)
        self._answered, self._right = table.answered.copy(), table.right
        self._learned = self._answered.copy()
        self._learned[:, :, replicates:] = False
        names = [question.family for question in table.questions]
        self._names = np.array(names, object)

    def foreseen(self, inside: Ints, outside: Ints) -> tuple[Floats, Floats]:
        """(outside questions, arms, replicates) twice: how sure answers are, and how often the arm is right.

        NaN where there is no answer, or too little was learned.
        """
        sure = np.full((len(outside), *self._shape[1:]), np.nan)
        rates = sure.copy()
        families = self._names[outside].tolist()
        for arm, confidence in self.fit(inside).items():
            answered = self._answered[outside, arm]
            sure[:, arm] = np.where(answered, confidence.of(self._signs[:, outside, arm], families), np.nan)
            known = self._right[inside, arm][self._learned[inside, arm]]
            rates[:, arm] = np.where(answered, (known.sum() + 0.5) / (len(known) + 1), np.nan)
        return sure, rates

    def fit(self, questions: Ints) -> dict[int, Confidence]:
        """By the number of the arm."""
        families = self._large(questions)
        arms = [a for a in range(self._shape[1]) if self._learned[questions, a].sum() >= _FEWEST]
        examples = [self._examples(questions, arm, families) for arm in arms]
        if not arms:
            return {}
        shared = _shared([x for x, _, _, _ in examples], [y for _, y, _, _ in examples])
        found = {}
        for arm, (matrix, right, centres, scales) in zip(arms, examples, strict=True):
            start = np.append(logit(np.array((right.sum() + 0.5) / (len(right) + 1)), _EDGE), shared)
            penalties = np.append(_BIAS, np.full(len(shared), _OWN))
            weights = _regress(np.column_stack([np.ones(len(matrix)), matrix]), right, penalties, start)
            # What never varies tells nothing, and what is not known must not be asked for.
            varies = (np.abs(matrix[:, : len(SIGNS)]) > _STIR).any(axis=0)
            told = rounded(weights)
            signs = np.where(varies, told[1 : 1 + len(SIGNS)], 0.0).tolist()
            found[arm] = Confidence(
                float(told[0]),
                _three(centres.tolist()),
                _three(scales.tolist()),
                _three(signs),
                tuple((family, float(w)) for family, w in zip(families, told[1 + len(SIGNS) :], strict=True)),
            )
        return found

    def _large(self, questions: Ints) -> list[str]:
        names, counts = np.unique(self._names[questions].astype(str), return_counts=True)
        order = np.lexsort((names, -counts))[:_FAMILIES]
        return [str(names[i]) for i in order if counts[i] >= _FEW] if len(names) > 1 else []

    def _examples(self, questions: Ints, arm: int, families: Sequence[str]) -> tuple[Floats, Floats, Floats, Floats]:
        """The answers of an arm: their standardised signs and families, what is right, and the signs' moments."""
        learned = self._learned[questions, arm]
        rows = np.nonzero(learned)[0]
        signs = self._signs[:, questions, arm][:, learned]
        centres, scales = np.array([_moments(sign) for sign in signs]).T
        columns = [standardised(sign, c, s) for sign, c, s in zip(signs, centres, scales, strict=True)]
        asked = self._names[questions][rows]
        columns += [(asked == family).astype(np.float64) for family in families]
        return np.column_stack(columns), self._right[questions, arm][learned], centres, scales


def _moments(sign: Floats) -> tuple[float, float]:
    known = sign[np.isfinite(sign)]
    if not len(known):
        return 0.0, 1.0
    centre, scale = rounded(np.array([known.mean(), known.std()])).tolist()
    return centre, scale if scale > _LEAST_SPREAD else 1.0


def _three(numbers: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = numbers
    return first, second, third


def _shared(matrices: Sequence[Floats], rights: Sequence[Floats]) -> Floats:
    """(columns,): the weights that all arms share, each arm with a bias of its own."""
    # An arm's bias is a column of its own; solved for together, since there are few.
    arms = np.repeat(np.arange(len(matrices)), [len(each) for each in matrices])
    biases = np.eye(len(matrices))[arms]
    columns = matrices[0].shape[1]
    penalties = np.append(np.full(columns, _SHARED), np.full(len(matrices), _BIAS))
    whole = np.column_stack([np.concatenate(matrices), biases])
    return _regress(whole, np.concatenate(rights), penalties, np.zeros(len(penalties)))[:columns]


def _regress(matrix: Floats, right: Floats, penalties: Floats, towards: Floats) -> Floats:
    """(columns,): weights of a logistic regression, penalised by the squares of how far they lie from `towards`.

    Newton's method with bounded steps.
    """
    weights = towards.copy()
    for _ in range(_STEPS):
        chances = sigmoid(matrix @ weights)
        slopes = matrix.T @ (chances - right) + penalties * (weights - towards)
        curved = (matrix * (chances * (1 - chances))[:, None]).T @ matrix + np.diag(penalties)
        step = np.linalg.solve(curved, slopes)
        most = float(np.abs(step).max())
        weights = weights - step * min(1.0, _LONGEST / max(most, _SETTLED))
        if most < _SETTLED:
            break
    return weights


def _worth(table: Table, arm: int, calibrated: Floats, raw: Floats, rates: Floats) -> bool:
    """Whether calibrated confidences foretell better than the arm's own ones, and than how often it is right."""
    right, judged = table.right[:, arm], np.isfinite(calibrated)
    if not judged.any():
        return False
    loss = _loss(calibrated, right, judged)
    own = judged & np.isfinite(raw[:, arm])
    if own.any() and _loss(raw[:, arm], right, own) <= _loss(calibrated, right, own):
        return False
    return loss < _loss(rates, right, judged)


def _loss(sure: Floats, right: Floats, judged: Bools) -> float:
    told, came = np.clip(sure[judged], _EDGE, 1 - _EDGE), right[judged]
    return float(-(came * np.log(told) + (1 - came) * np.log(1 - told)).sum())
