"""Resampled questions, and what a statistic comes to on each resample and with each question left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.bootstrap import Interval

from .statistics import bca_interval

__all__ = ["Resample", "Statistic"]

_CHUNK = 256
"""Draws that are multiplied out together: few enough for memory, many enough to hide the cost of a call."""


@dataclass(frozen=True, slots=True)
class Resample:
    """Questions drawn with replacement, again and again (Efron 1979). Equal fields give equal draws.

    All policies, seeds and caps of a comparison meet the same draws, so that every difference is paired.
    """

    questions: int
    draws: int
    seed: int

    def means(self, rows: Floats) -> Floats:
        """(draws, columns): the mean of each column over the questions of each draw.

        Args:
            rows: (questions, columns).
        """
        return np.concatenate([weights @ rows for weights in self._weights()])

    def left_out(self, rows: Floats) -> Floats:
        """(questions, columns): the mean of each column with each question left out."""
        return np.asarray((rows.sum(axis=0) - rows) / (self.questions - 1))

    def drawn(self) -> Iterator[Ints]:
        """(at most 256, questions): the numbers of the questions of each draw."""
        generator = np.random.default_rng([self.seed, self.questions, self.draws])
        for begin in range(0, self.draws, _CHUNK):
            yield generator.integers(self.questions, size=(min(_CHUNK, self.draws - begin), self.questions))

    def _weights(self) -> Iterator[Floats]:
        """(at most 256, questions): how often each question was drawn, over their number."""
        for drawn in self.drawn():
            places = drawn + np.arange(len(drawn))[:, None] * self.questions
            counts = np.bincount(places.ravel(), minlength=drawn.size)
            yield counts.reshape(drawn.shape) / self.questions


@dataclass(frozen=True, slots=True, eq=False)
class Statistic:
    """A number with what it comes to on resampled questions; differences of statistics are paired draw by draw."""

    estimate: float
    draws: Floats
    """(draws,)."""
    left_out: Floats
    """(questions,): with each question left out."""

    @classmethod
    def means(cls, columns: Floats, resample: Resample) -> list[Statistic]:
        """The mean of each of several columns of one value a question."""
        draws, left_out = resample.means(columns), resample.left_out(columns)
        return [cls(float(columns[:, i].mean()), draws[:, i], left_out[:, i]) for i in range(columns.shape[1])]

    @classmethod
    def average(cls, parts: list[Statistic]) -> Statistic:
        """The mean over search seeds of a statistic on the same draws; in every draw the seeds are drawn too.

        Statistics of as many seeds meet the same draws of seeds, so that their differences stay paired. Of few seeds a
        resample spreads less than what it stands for; that is made up for.
        """
        count, every = len(parts), np.stack([part.draws for part in parts])
        draws = every.mean(axis=0)
        if count > 1:
            picks = np.random.default_rng([count, every.shape[1]]).integers(count, size=every.shape)
            drawn = np.take_along_axis(every, picks, axis=0).mean(axis=0)
            draws = draws + np.sqrt(count / (count - 1)) * (drawn - draws)
        return cls(
            float(np.mean([part.estimate for part in parts])),
            draws,
            np.mean([part.left_out for part in parts], axis=0),
        )

    @classmethod
    def largest(cls, parts: list[Statistic]) -> Statistic:
        """The largest of several statistics, in every draw anew."""
        return cls(
            max(part.estimate for part in parts),
            np.max([part.draws for part in parts], axis=0),
            np.max([part.left_out for part in parts], axis=0),
        )

    def __add__(self, other: Statistic) -> Statistic:
        return Statistic(self.estimate + other.estimate, self.draws + other.draws, self.left_out + other.left_out)

    def __sub__(self, other: Statistic) -> Statistic:
        return self + -1.0 * other

    def __rmul__(self, factor: float) -> Statistic:
        return Statistic(factor * self.estimate, factor * self.draws, factor * self.left_out)

    def moved(self, estimate: float) -> Statistic:
        """The same spread around another estimate."""
        gap = estimate - self.estimate
        return Statistic(estimate, self.draws + gap, self.left_out + gap)

    def interval(self, level: float = 0.95) -> Interval:
        """Two-sided, BCa."""
        return bca_interval(self.draws, self.left_out, self.estimate, level=level)

    @property
    def error(self) -> float:
        """The standard error."""
        return float(self.draws.std(ddof=1))
