"""Utility with a reject option: what a question is worth where wrong answers cost something, and its outcome."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Self

import numpy as np

from ...errors import UsageError
from ..arrays import Floats, Ints
from ..finding import Finding
from .cascades import Replay
from .table import UNANSWERED, Table

__all__ = ["Shares", "checked_wrong_costs", "scored", "valued"]

_MOST = 1e6
"""Beyond it a right answer is worth no more than rounding errors of wrong ones."""


class Shares(Finding):
    """What became of questions; the four sum to 1. An answer that is partly right counts as both, in proportion."""

    right: float
    """The sum of the scores of answers, in [0, 1] whatever a wrong one costs, for each question."""
    wrong: float
    """The rest of the answers. Abstentions that nobody has marked are among them."""
    abstained: float
    """The reply says that it has no answer."""
    unanswered: float
    """There is no reply, or it is withheld: the policy left the question out, was not sure enough after looking, or
    nothing came back."""

    @classmethod
    def of(cls, replayed: Replay, arms: Ints) -> Self:
        """Of questions that arms answered.

        Args:
            replayed: what all arms come to.
            arms: (questions, replicates): the arm whose answer stands, or `UNANSWERED`.
        """
        cells = (replayed.right, replayed.answered, replayed.abstained)
        picked = (np.take_along_axis(each, np.maximum(arms, 0)[:, None], axis=1)[:, 0] for each in cells)
        right, answered, abstained = (float(np.where(arms == UNANSWERED, 0.0, each).mean()) for each in picked)
        return cls.from_parts(right, answered, abstained)

    @classmethod
    def from_parts(cls, right: float, answered: float, abstained: float) -> Self:
        """From the shares that are counted; the others are what is left of 1."""
        return cls(
            right=right,
            wrong=max(0.0, answered - right),
            abstained=abstained,
            unanswered=max(0.0, 1.0 - answered - abstained),
        )


def valued(table: Table, wrong_costs: float) -> Table:
    """The table with values for scores: 1 for a right answer, 0 for none, `-wrong_costs` for a wrong one.

    Of an answer that scores s it is s - wrong_costs (1 - s); of a reply that abstains, and where nothing came back, the
    score itself, which is 0. Chow (1970): then an answer is worth giving where it is right with a probability of at
    least wrong_costs / (1 + wrong_costs).

    Args:
        table: with scores, or with values at the same price.
        wrong_costs: at 0, values are scores.

    Raises:
        UsageError: it is not a number from 0 on, or the table has values at another price.
    """
    price = checked_wrong_costs(wrong_costs)
    if table.wrong_costs == price:
        return table
    if table.wrong_costs:
        raise UsageError(
            f"the table values a wrong answer at {-table.wrong_costs:g} already; give one with scores to price it "
            f"at {-price:g}"
        )
    scores: Floats = np.where(table.answered, table.scores - price * (1 - table.scores), table.scores)
    return replace(table, scores=scores, wrong_costs=price)


def scored(table: Table) -> Table:
    """The table with scores in [0, 1] again, whatever a wrong answer costs."""
    return replace(table, scores=table.right, wrong_costs=0.0) if table.wrong_costs else table


def checked_wrong_costs(wrong_costs: float) -> float:
    """The number, where it can be what a wrong answer costs.

    Raises:
        UsageError: it cannot.
    """
    if isinstance(wrong_costs, bool) or not isinstance(wrong_costs, int | float) or not isfinite(wrong_costs):
        raise UsageError(f"wrong_costs must be a number from 0 on, not {wrong_costs!r}")
    if not 0 <= wrong_costs <= _MOST:
        raise UsageError(
            f"wrong_costs must be from 0 (a wrong answer is as good as none) to {_MOST:g}, not {wrong_costs:g}; "
            "1 makes a wrong answer undo a right one"
        )
    return float(wrong_costs)
