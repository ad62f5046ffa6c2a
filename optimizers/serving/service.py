"""What became of a batch of questions that was served under one cap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...budgets.cap import in_unit
from ...records.rows import Unit
from ...records.status import Status
from ...records.usage import Amount
from ..arrays import Floats
from ..tables.table import Batch
from ..tables.value import Shares
from .answer import Served

__all__ = ["Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """What became of a batch."""

    served: tuple[Served, ...]
    """In the order of the tasks."""
    account_id: str
    """The batch's account; its limit is the cap."""
    charged: Amount
    """By the whole batch, probes included."""
    lost: Amount
    unit: Unit
    asked: Batch
    """The questions as the policy saw them, with their probes."""
    looks: Floats
    """(questions,): what the probe of each cost, in the unit of the cap."""
    limit: int | None = None
    """The cap of the batch in the smallest unit; None where only each question is limited."""

    @property
    def unspent(self) -> float | None:
        """What is left of the cap, in its unit; None where the batch had none for all of it."""
        if self.limit is None:
            return None
        return in_unit(Amount(*[self.limit] * 3) - self.charged - self.lost, self.unit)

    @property
    def why_unspent(self) -> str:
        """Why that was not used up, in one line; empty where nothing is left."""
        if not self.unspent:
            return ""
        short = sum(one.status is Status.BUDGET for one in self.served)
        left_out = sum(one.status is Status.SKIPPED for one in self.served)
        withheld = sum(one.stop_reason == "withheld" for one in self.served)
        changed = [one for one in self.served if one.arm and one.planned and one.arm != one.planned]
        swapped = sum(one.status is not Status.BUDGET for one in changed)
        reasons = [
            (short, "{} questions found no room for the upper bound of their cheapest call"),
            (left_out - withheld, "the policy leaves {} questions unanswered"),
            (withheld, "{} answers were not sure enough to stand, and are withheld"),
            (swapped, "{} questions got another arm, because the one planned did not fit when their turn came"),
        ]
        told = [text.format(count) for count, text in reasons if count]
        return "; ".join(told) or "every question got the arm planned for it, and they cost less than the cap allows"

    @property
    def costs(self) -> Floats:
        """Charged per question, its probe included, in the unit of the cap."""
        return self.looks + np.array([in_unit(one.charged, self.unit) for one in self.served], np.float64)

    @property
    def scores(self) -> Floats:
        """Per question; 0 where there was no answer or nobody scored."""
        return np.array([one.score or 0.0 for one in self.served], np.float64)

    def values(self, wrong_costs: float) -> Floats:
        """Per question: the score s of an answer as s - wrong_costs (1 - s), 0 where there is none; see `valued`."""
        answered = np.array([not one.status.failed and not _silent(one) for one in self.served], bool)
        return np.where(answered, self.scores - wrong_costs * (1 - self.scores), self.scores)

    @property
    def shares(self) -> Shares:
        """What became of the questions; of use where somebody scored them."""
        abstained = np.array([_silent(one) for one in self.served], bool)
        answered = np.array([not one.status.failed for one in self.served], bool) & ~abstained
        right = float(np.where(answered, self.scores, 0.0).mean())
        return Shares.from_parts(right, float(answered.mean()), float(abstained.mean()))

    @property
    def coverage(self) -> float:
        """The share of questions with an answer."""
        return sum(not one.status.failed for one in self.served) / len(self.served)


def _silent(one: Served) -> bool:
    """Whether there is nothing to call right or wrong: the answer abstains, or a judge gave no verdict on it."""
    return one.abstained or bool(one.unscored)
