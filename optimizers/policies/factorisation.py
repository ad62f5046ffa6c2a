"""Routing between two arms by a factorised model of which arm wins on which question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from ..arrays import Floats, Ints
from ..prediction.fitted import Array, Fitted, rounded
from ..prediction.predictor import Predictor
from ..regression import sigmoid
from ..tables.table import Lesson, Table
from .learned import Learned
from .pairs import promising_pairs, route_pair
from .rehearsal import on_validation
from .schedule import MakePlan, budget_ladder
from .view import View

__all__ = ["Factorisation", "Factors", "comparison_loss", "fit_factors"]

_SIZE = 16
_STEPS = 400
_EVERY = 20
"""After so many steps the factors are checked on validation."""
_RATE = 0.02
_DECAY = 1e-3
_NOISE = 0.1
"""Added to the features in training, in units of their own spread."""
_LEAST = (0.0, 0.3, 0.5)


class Factors(Fitted):
    """A factorised Bradley-Terry model: an arm's strength on a question is a product of two vectors."""

    arms: tuple[int, ...]
    """Whose strengths are known."""
    project: Array
    """(columns + 1, size): from the features of a question, and a constant."""
    embeddings: Array
    """(arms, size), of unit length, scaled by the output weights."""

    def strengths(self, matrix: Floats) -> Floats:
        """(questions, arms): differences are the logits of winning."""
        return np.asarray(_with_constant(matrix) @ self.project @ self.embeddings.T)


class Factorisation(Learned):
    """RouteLLM (Ong et al. 2024) with its matrix factorisation: how likely the larger arm wins where one of them does.

    The strength of an arm on a question is c . (v * W x), with unit vectors v for the arms and features x of the
    question, learned from all comparisons of arms on the same question; ties are left out. Questions on which the
    larger arm most likely wins go there, down to the threshold that the budget decides. The pair, and how likely it
    must at least be, validation decides for every budget; pairs that the common predictor finds worth little are not
    tried.
    """

    name: ClassVar[str] = "factorisation"
    has_own_model: ClassVar[bool] = True
    policy: Literal["factorisation"] = "factorisation"
    pairs: tuple[tuple[int, int], ...] = ()
    """(smaller, larger)."""
    factors: Factors = Factors(arms=(), project=np.empty((0, 0)), embeddings=np.empty((0, 0)))

    def misfit(self, columns: int, arms: int) -> str:
        """See `Learned.misfit`."""
        known = self.factors.arms
        if len(set(known)) < len(known) or not all(0 <= arm < arms for arm in known):
            return "factors.arms"
        if not all(arm in known for pair in self.pairs for arm in pair):
            return "pairs"
        sizes = self.factors.embeddings.shape[1:]
        if self.factors.project.shape != (columns + 1, *sizes) or self.factors.embeddings.shape != (len(known), *sizes):
            return "factors"
        return "" if len(sizes) == 1 else "factors.embeddings"

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """See `Learned.draft`."""
        pairs = promising_pairs(on_validation(lesson, predictor).view, budget_ladder(lesson)[::3])
        known = np.array(sorted({arm for pair in pairs for arm in pair}), np.intp)
        fit, check = ((View(predictor, part.batch()).matrix, part) for part in (lesson.fit, lesson.validation))
        return cls(predictor=predictor, pairs=tuple(pairs), factors=fit_factors(known, fit, check, lesson.seed))

    def plans(self, view: View) -> Sequence[MakePlan]:
        """One for every pair and least probability."""
        strengths = self.factors.strengths(view.matrix)
        column = {arm: number for number, arm in enumerate(self.factors.arms)}

        def plan(pair: tuple[int, int], least: float, budget: float) -> Ints | None:
            small, large = (strengths[:, column[arm]] for arm in pair)
            return route_pair(view, pair, sigmoid(large - small), least, budget)

        return [partial(plan, pair, least) for pair in self.pairs for least in _LEAST]


def fit_factors(arms: Ints, fit: tuple[Floats, Table], check: tuple[Floats, Table], seed: int) -> Factors:
    """Adam on the logistic loss of all comparisons; the state that did best on validation is kept."""
    generator = np.random.default_rng(seed)
    matrix, wins = _with_constant(fit[0]), _wins(fit[1], arms)
    check_matrix, check_wins = _with_constant(check[0]), _wins(check[1], arms)
    spread = _NOISE * matrix.std(axis=0)
    parameters = [
        generator.normal(0, 1 / np.sqrt(_SIZE), (matrix.shape[1], _SIZE)),
        generator.normal(0, 1, (len(arms), _SIZE)),
        generator.normal(0, 1, _SIZE),
    ]
    moments = [(np.zeros_like(value), np.zeros_like(value)) for value in parameters]
    best, kept = np.inf, parameters
    for step in range(1, _STEPS + 1):
        noisy = matrix + spread * generator.normal(size=matrix.shape)
        _, slopes = comparison_loss(parameters, noisy, wins)
        parameters = [
            _adam(value, slope + _DECAY * value, moment, step)
            for value, slope, moment in zip(parameters, slopes, moments, strict=True)
        ]
        if step % _EVERY == 0:
            loss, _ = comparison_loss(parameters, check_matrix, check_wins)
            if loss < best:
                best, kept = loss, parameters
    project, embeddings, output = kept
    return Factors(arms=tuple(arms.tolist()), project=rounded(project), embeddings=rounded(_unit(embeddings) * output))


def _wins(table: Table, arms: Ints) -> Floats:
    """(questions, arms, arms): how often a draw of the first arm beats a draw of the second."""
    scores = table.scores[:, arms]
    return np.asarray((scores[:, :, None, :, None] > scores[:, None, :, None, :]).mean(axis=(3, 4)))


def comparison_loss(parameters: Sequence[Floats], matrix: Floats, wins: Floats) -> tuple[float, list[Floats]]:
    """The logistic loss a comparison, and its slopes."""
    project, embeddings, output = parameters
    unit = _unit(embeddings)
    inner = matrix @ project
    strengths = inner @ (unit * output).T
    logits = strengths[:, :, None] - strengths[:, None, :]
    count = max(float(wins.sum()), 1e-9)
    value = float((wins * np.logaddexp(0, -logits)).sum()) / count
    errors = -wins * sigmoid(-logits) / count
    by_arm = errors.sum(axis=2) - errors.sum(axis=1)
    by_pair = by_arm.T @ inner
    by_unit = by_pair * output
    # A move along an embedding changes its length only, which is not part of the model.
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    by_embedding = (by_unit - unit * (by_unit * unit).sum(axis=1, keepdims=True)) / lengths
    by_project = matrix.T @ (by_arm @ (unit * output))
    return value, [by_project, by_embedding, (by_pair * unit).sum(axis=0)]


def _adam(value: Floats, slope: Floats, moments: tuple[Floats, Floats], step: int) -> Floats:
    """One step of Adam (Kingma and Ba 2015); the moments are moved in place."""
    first, second = moments
    first += 0.1 * (slope - first)
    second += 0.001 * (slope**2 - second)
    return np.asarray(value - _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _with_constant(matrix: Floats) -> Floats:
    return np.column_stack([matrix, np.ones(len(matrix))])
