"""The simple rivals: ridge on the score gap over TF-IDF, and the best arm of each family with shrinkage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.prediction.heads.base import folds_of
from apportion.optimizers.tables.table import Question, Table

__all__ = ["FamilyMeans", "GapRidge", "family_gaps", "family_scores"]

_PENALTY = 10.0
"""Of the ridge regression. Chosen on a fifth of each half it would make the rival weaker: 0.609 on GSM8K instead of the
0.618 that is known of it."""
_PRIORS = (1.0, 3.0, 10.0, 30.0, 100.0)
_FOLDS = 5


class GapRidge:
    """Ridge regression of strong - weak on TF-IDF of words and pairs of words, with the family beside, if there is one.

    Args:
        questions: all of a set; counted once for all halves.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.preprocessing import OneHotEncoder

        self._counts = CountVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(q.text for q in questions)
        families = np.array([[question.family] for question in questions])
        self._families = OneHotEncoder().fit_transform(families) if len(np.unique(families)) > 1 else None

    def strengths(self, gaps: Floats, learned: Ints, tested: Ints) -> Floats:
        """(tested,): how much the strong arm is expected to score above the weak one.

        Args:
            gaps: (questions,): strong - weak; only those learned from are looked at.
            learned: numbers of the questions to learn from.
            tested: numbers of the others.
        """
        from sklearn.linear_model import Ridge

        known, others = self._matrices(learned, tested)
        return np.asarray(Ridge(alpha=_PENALTY, solver="sparse_cg").fit(known, gaps[learned]).predict(others))

    def _matrices(self, learned: Ints, tested: Ints) -> tuple[Any, Any]:
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfTransformer

        weights = TfidfTransformer(sublinear_tf=True).fit(self._counts[learned])
        parts = [weights.transform(self._counts[rows]) for rows in (learned, tested)]
        if self._families is not None:
            beside = [self._families[rows] for rows in (learned, tested)]
            parts = [hstack(pair).tocsr() for pair in zip(parts, beside, strict=True)]
        return parts[0], parts[1]


def family_gaps(learned: Table, tested: Table) -> Floats:
    """(tested,): strong - weak in the family of each question, drawn towards that of all."""
    scores, _ = FamilyMeans.of(learned).forecasts(tested)
    return scores[:, 1] - scores[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class FamilyMeans:
    """Scores and costs of every arm in every family, drawn towards the arm's means."""

    families: dict[str, int]
    scores: Floats
    """(families + 1, arms); the last row is for families that were not seen."""
    costs: Floats

    @classmethod
    def of(cls, table: Table, prior: float | None = None) -> FamilyMeans:
        """Learns from all questions; how far to draw is chosen by cross-validation where left out."""
        if prior is None:
            prior = _best_prior(table)
        names = [question.family for question in table.questions]
        families = {name: number for number, name in enumerate(dict.fromkeys(names))}
        members = np.zeros((len(names), len(families) + 1))
        members[np.arange(len(names)), [families[name] for name in names]] = 1
        counts = members.sum(axis=0)[:, None]

        def drawn(values: Floats) -> Floats:
            return np.asarray((members.T @ values + prior * values.mean(axis=0)) / (counts + prior))

        return cls(families, drawn(table.mean_scores), drawn(table.mean_costs))

    def forecasts(self, table: Table) -> tuple[Floats, Floats]:
        """(questions, arms) twice: scores and costs."""
        rows = [self.families.get(question.family, len(self.families)) for question in table.questions]
        return self.scores[rows], self.costs[rows]

    def choose(self, table: Table, price: float) -> Ints:
        """(questions,): of each family the arm with the highest score - price x cost."""
        scores, costs = self.forecasts(table)
        return np.asarray(np.argmax(scores - price * costs, axis=1), np.intp)


def family_scores(table: Table, prices: Floats) -> Floats:
    """(prices,): what the best arms of the families score, each question's chosen without it, in five folds."""
    prior = _best_prior(table)
    folds = folds_of(len(table.questions), _FOLDS, 0)
    scores = np.zeros(len(prices))
    for fold in range(_FOLDS):
        means = FamilyMeans.of(table.take(np.flatnonzero(folds != fold)), prior)
        out = table.take(np.flatnonzero(folds == fold))
        everyone = np.arange(len(out.questions))
        for number, price in enumerate(prices.tolist()):
            scores[number] += out.mean_scores[everyone, means.choose(out, price)].sum()
    return scores / len(folds)


def _best_prior(table: Table) -> float:
    folds = folds_of(len(table.questions), _FOLDS, 0)
    errors = dict.fromkeys(_PRIORS, 0.0)
    for fold in range(_FOLDS):
        inside, out = table.take(np.flatnonzero(folds != fold)), table.take(np.flatnonzero(folds == fold))
        for prior in _PRIORS:
            errors[prior] += float(((FamilyMeans.of(inside, prior).forecasts(out)[0] - out.mean_scores) ** 2).sum())
    return min(errors, key=lambda prior: errors[prior])
