"""Random halves of a recorded set, what is learned on one and tried on the other, and intervals over all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.tables.table import Lesson, Table

__all__ = ["Evidence", "Finding", "Measure", "halves", "lesson_of"]

Measure = Callable[[Floats], Floats]
"""From means of columns, (..., columns), to a number for each, (...)."""

_DRAWS = 1000
_VALIDATES = 7
"""One in so many questions of a half is kept for validation; the fit part is rehearsed on as well, cross-fitted."""


def halves(count: int, number: int) -> Iterator[tuple[Ints, Ints]]:
    """So many times: the questions of a random half, and those of the other."""
    for seed in range(number):
        order = np.random.default_rng([seed, count]).permutation(count)
        yield np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def lesson_of(half: Table, budget: float, seed: int) -> Lesson:
    """Divides a half into what is learned from and what validates, stratified by family."""
    names = [hashlib.sha256(f"{seed}/{question.name}".encode()).digest() for question in half.questions]
    order = np.array(sorted(range(len(names)), key=lambda i: (half.questions[i].family, names[i])), np.intp)
    validates = np.arange(len(order)) % _VALIDATES == seed % _VALIDATES
    return Lesson(half.take(np.sort(order[~validates])), half.take(np.sort(order[validates])), budget, seed)


@dataclass(frozen=True, slots=True)
class Finding:
    """A number with two intervals of 95 %."""

    over_halves: Interval
    """Student's, over the halves: another draw of halves of the same questions."""
    over_questions: Interval
    """Percentiles of a bootstrap in which halves and questions are both drawn anew."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What came of each half: some columns for each of its test questions."""

    count: int
    """Questions of the whole set."""
    parts: Sequence[tuple[Ints, Floats]]
    """For each half the numbers of the test questions, and (test questions, columns)."""

    def values(self, measure: Measure) -> Floats:
        """(halves,)."""
        return np.array([float(measure(columns.mean(axis=0))) for _, columns in self.parts])

    def find(self, measure: Measure) -> Finding:
        """The mean of a measure over halves, with its intervals."""
        values = self.values(measure)
        mean, number = float(values.mean()), len(values)
        picks = np.random.default_rng(1).integers(number, size=(number, _DRAWS))
        drawn = np.take_along_axis(measure(self._drawn), picks, axis=0).mean(axis=0)
        low, high = np.quantile(drawn, [0.025, 0.975])
        reach = _student(number) * float(values.std(ddof=1)) / np.sqrt(number) if number > 1 else np.inf
        return Finding(Interval(mean, mean - reach, mean + reach), Interval(mean, float(low), float(high)))

    @cached_property
    def _drawn(self) -> Floats:
        """(halves, draws, columns): means over the questions of each draw; the same draws for all halves."""
        weights = np.empty((_DRAWS, self.count), np.float32)
        generator = np.random.default_rng(0)
        for row in weights:
            row[:] = np.bincount(generator.integers(self.count, size=self.count), minlength=self.count)
        return np.stack([_weighted(weights[:, tested], columns) for tested, columns in self.parts])


def _weighted(weights: NDArray[np.float32], columns: Floats) -> Floats:
    sums = (weights @ columns.astype(np.float32)).astype(np.float64)
    return np.asarray(sums / weights.sum(axis=1, dtype=np.float64)[:, None])


def _student(number: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, number - 1))
