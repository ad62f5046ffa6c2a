"""What every arm scores and costs on average: all that a policy without an eye for questions knows."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from ..arrays import Floats, Ints
from ..frontier import thinned, undominated
from ..prediction.fitted import Array, Fitted
from ..tables.table import Arm, Table

__all__ = ["ArmMeans", "OnMeans"]


class ArmMeans(Fitted):
    """Arms with their averages over the questions of one or more tables."""

    arms: tuple[Arm, ...]
    scores: Array
    """(arms,)."""
    costs: Array
    """(arms,)."""
    high: Array
    """(arms,): the 95 % quantile of the cost over questions and replicates."""
    wrong_costs: float = Field(default=0.0, ge=0)
    """See `Table.wrong_costs`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.arms or any(a.shape != (len(self.arms),) for a in (self.scores, self.costs, self.high)):
            raise ValueError("arms, scores, costs and high must be lists of one length, and not empty")
        if min(self.costs.min(), self.high.min()) < 0:
            raise ValueError("costs and high must not be negative")
        return self

    @classmethod
    def of(cls, *tables: Table) -> Self:
        """Over all questions of tables with the same arms."""
        costs = [np.swapaxes(table.costs, 1, 2).reshape(-1, len(table.arms)) for table in tables]
        return cls(
            arms=tables[0].arms,
            scores=np.concatenate([table.mean_scores for table in tables]).mean(axis=0),
            costs=np.concatenate([table.mean_costs for table in tables]).mean(axis=0),
            high=np.quantile(np.concatenate(costs), 0.95, axis=0),
            wrong_costs=tables[0].wrong_costs,
        )

    def for_questions(self, count: int) -> tuple[Floats, Floats, Floats]:
        """Scores, costs and high costs, each (count, arms), the same for every question."""
        shape = (count, len(self.arms))
        return (
            np.broadcast_to(self.scores, shape),
            np.broadcast_to(self.costs, shape),
            np.broadcast_to(self.high, shape),
        )

    def frontier(self, most: int) -> Ints:
        """The arms that no other arm beats in both score and cost, in the order of cost.

        Args:
            most: how many at most; where there are more, the cheapest and the best are kept, and others evenly between.
        """
        return thinned(undominated(self.costs, self.scores), most)


class OnMeans(Fitted):
    """A policy that knows no more of its arms than their means, and takes no probe."""

    probe: ClassVar[str | None] = None
    means: ArmMeans

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `ArmPolicy.arms`."""
        return self.means.arms

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`."""
        return self.means.wrong_costs
