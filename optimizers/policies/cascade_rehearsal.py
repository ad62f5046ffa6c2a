"""What cascades are worth on questions that they were not found on: the search is made anew inside each fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Floats, Ints
from ..frontier import thinned
from ..prediction.heads.base import folds_of
from ..prediction.predictor import Prediction, Predictor, refitted
from ..tables.cascades import outcomes_of, with_cascades
from ..tables.clusters import cluster_numbers
from ..tables.knapsack import allocate
from ..tables.table import UNANSWERED, Arm, Lesson, Table
from .arm_means import ArmMeans
from .cascade_by_family import FamilyMeans, cascades_by_family
from .cascade_search import find_selective
from .planning import planning_costs
from .rehearsed import alone, batch_of, first
from .view import View

__all__ = ["CascadeRehearsal", "Forecasts", "SearchedFold", "rehearse_cascades"]

_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """What is foreseen for questions that were not learned from, and what came true; each (questions, columns).

    A column is an arm, or the cascade of that place in the list of the fold that the question is in.
    """

    scores: Floats
    costs: Floats
    high: Floats
    real: Floats
    """The scores that came true."""
    wrong_costs: float = 0.0
    """See `Table.wrong_costs`; where it is not 0, questions may be left out."""

    def reached(self, budget: float, *, unanswered: bool = False) -> tuple[Floats, float]:
        """What the best plan for a budget scores on each question, and what it means to spend.

        Args:
            budget: for all questions together.
            unanswered: whether questions may be left out in any case, for no score and at no cost.
        """
        unanswered = unanswered or self.wrong_costs > 0
        chosen = allocate(self.scores, planning_costs(self.costs, self.high), budget, unanswered=unanswered)
        everyone, left = np.arange(len(chosen)), chosen == UNANSWERED
        scores, costs = (np.where(left, 0.0, each[everyone, chosen]) for each in (self.real, self.costs))
        return scores, float(costs.sum())

    def take(self, rows: Ints) -> Forecasts:
        """Some of the questions."""
        return replace(self, **{name: getattr(self, name)[rows] for name in ("scores", "costs", "high", "real")})


@dataclass(frozen=True, slots=True, eq=False)
class SearchedFold:
    """Questions that a search has not seen, and what it found without them."""

    inside: Table
    """What was searched."""
    outside: Table
    rows: Ints
    """Of the questions outside, among all of the rehearsal."""
    cascades: tuple[Arm, ...]
    """See `CascadeRehearsal.cascades`."""
    by_family: tuple[Arm, ...]
    """Likewise."""


@dataclass(frozen=True, slots=True, eq=False)
class CascadeRehearsal:
    """Cascades of a lesson, and how choosing among plans and cascades does where neither was learned."""

    cascades: tuple[Arm, ...]
    """Found on all questions of the lesson."""
    by_family: tuple[Arm, ...]
    """Likewise, those that some family would choose."""
    predictor: Predictor
    """Forecasts plans and cascades; that of the plans alone where there are no cascades."""
    alone: Forecasts
    """By the means of plans, and of those that withhold answers, over all questions."""
    one: Forecasts
    """By the means of plans and cascades over all questions."""
    families: Forecasts
    """By the means of each family."""
    view: View
    """By the predictor; its columns are those of `scores`."""
    scores: Floats
    """(questions, columns): what came true of these."""
    folds: tuple[SearchedFold, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Questions that a search and a fit have not seen."""

    rows: Ints
    alone: Forecasts
    one: Forecasts
    families: Forecasts
    foreseen: Prediction
    searched: SearchedFold


def rehearse_cascades(lesson: Lesson, predictor: Predictor) -> CascadeRehearsal:
    """Searches cascades on all of a lesson, and once more without each fold to see what they are worth.

    Folds are those of the fit part; the validation part is one more, for which all of the fit part was searched. As in
    `rehearse`, a large validation part decides alone.

    Args:
        lesson: where to search.
        predictor: of the plans; its encoder, probe and the settings of its head are kept for forecasts of cascades.
    """
    cascades, by_family = cascades_by_family(lesson.searched)
    fit = _encoded(lesson.fit, predictor)
    validation = _encoded(lesson.validation, predictor)
    final = predictor
    if cascades:
        means = with_cascades(lesson.searched, cascades).mean_scores.mean(axis=0)
        final = refitted(predictor, with_cascades(fit, cascades), lesson.seed, means)
    plans = len(lesson.fit.arms)
    widths = plans + len(find_selective(lesson.searched)), plans + len(cascades), plans + len(by_family)
    pairs: list[tuple[Table, Table, Ints]] = []
    asked = [] if alone(lesson) else [first(fit)]
    if asked:
        count = len(asked[0].questions)
        parts = folds_of(count, min(_FOLDS, count), lesson.seed, cluster_numbers(asked[0]))
        for part in np.unique(parts):
            inside, outside = np.flatnonzero(parts != part), np.flatnonzero(parts == part)
            pairs.append((asked[0].take(inside), asked[0].take(outside), outside))
    before = sum(len(table.questions) for table in asked)
    last = validation if asked else first(validation)
    asked.append(last)
    pairs.append((fit, last, before + np.arange(len(last.questions))))
    folds = [_fold(*pair, predictor, lesson.seed, widths) for pair in pairs]
    order = np.argsort(np.concatenate([fold.rows for fold in folds]))

    def gathered(parts: Sequence[Floats]) -> Floats:
        return np.asarray(np.concatenate(parts)[order])

    def together(parts: Sequence[Forecasts]) -> Forecasts:
        names = ("scores", "costs", "high", "real")
        scores, costs, high, real = (gathered([getattr(part, name) for part in parts]) for name in names)
        return Forecasts(scores, costs, high, real, lesson.wrong_costs)

    names = ("scores", "costs", "high", "arm_scores")
    foreseen = Prediction(*(gathered([getattr(fold.foreseen, name) for fold in folds]) for name in names))
    alone_by, one = together([fold.alone for fold in folds]), together([fold.one for fold in folds])
    view = View(final, batch_of(*asked), foreseen)
    return CascadeRehearsal(
        cascades,
        by_family,
        final,
        alone_by,
        one,
        together([fold.families for fold in folds]),
        view,
        one.real,
        tuple(fold.searched for fold in folds),
    )


def _fold(
    inside: Table, outside: Table, rows: Ints, predictor: Predictor, seed: int, widths: tuple[int, int, int]
) -> _Fold:
    plans, (selective, width, families) = len(inside.arms), widths
    found, own = cascades_by_family(inside)
    cascades, own = _first_of(found, width - plans), _first_of(own, families - plans)
    known, asked = with_cascades(inside, cascades), outside.questions

    def by_means(table: Table) -> Forecasts:
        means = ArmMeans.of(table).for_questions(len(asked))
        return Forecasts(*means, _real(table.arms, outside), inside.wrong_costs)

    alone_by = by_means(with_cascades(inside, _first_of(find_selective(inside), selective - plans)))
    one = by_means(known)
    known_families = with_cascades(inside, own)
    foretold = FamilyMeans.of(known_families).forecasts(asked)
    by_family = Forecasts(*foretold, _real(known_families.arms, outside), inside.wrong_costs)
    again = refitted(predictor, known, seed)
    foreseen = again.predict(outside.batch())
    # Where a fold has fewer cascades than the lesson, its last columns are the first arm once more.
    columns, family_columns = _columns(len(known.arms), width), _columns(len(known_families.arms), families)
    return _Fold(
        rows,
        _each(alone_by, lambda values: values[:, _columns(values.shape[1], selective)]),
        _each(one, lambda values: values[:, columns]),
        _each(by_family, lambda values: values[:, family_columns]),
        _learned_apart(foreseen, columns),
        SearchedFold(inside, outside, rows, tuple(cascades), tuple(own)),
    )


def _real(arms: Sequence[Arm], table: Table) -> Floats:
    return np.asarray(outcomes_of(arms, table)[0].mean(axis=2))


def _first_of(found: Sequence[Arm], most: int) -> tuple[Arm, ...]:
    """So many of them at most, evenly along their order."""
    return tuple(found[i] for i in thinned(np.arange(len(found)), most)) if found and most > 0 else ()


def _columns(count: int, width: int) -> Ints:
    """Numbers of so many columns, and of the first for those that lack."""
    return np.array([*range(count), *[0] * (width - count)], np.intp)


def _each(found: Forecasts, pick: Callable[[Floats], Floats]) -> Forecasts:
    scores, costs, high, real = map(pick, (found.scores, found.costs, found.high, found.real))
    return Forecasts(scores, costs, high, real, found.wrong_costs)


def _learned_apart(found: Prediction, columns: Ints) -> Prediction:
    """Some columns of a fold's forecasts, with the means of the fold for every question."""
    means = np.broadcast_to(found.arm_scores, found.scores.shape)
    scores, costs, high, arm_scores = (each[:, columns] for each in (found.scores, found.costs, found.high, means))
    return Prediction(scores, costs, high, arm_scores)


def _encoded(table: Table, predictor: Predictor) -> Table:
    """With the features of the questions, so that no fold computes them again."""
    features = predictor.encoder.encode(table.batch())
    return replace(table, known={predictor.encoder.key: (features.matrix, features.groups)})
