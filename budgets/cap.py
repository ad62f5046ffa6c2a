"""The ceiling of an account, as people give it."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import UsageError
from ..records.rows import Limit, Unit
from ..records.usage import Amount

__all__ = ["Cap", "in_unit", "pick", "smallest"]

_MOST = 2**63 - 1
"""The largest integer that a database holds."""
_SMALLEST: dict[Unit, int] = {"tokens": 1, "weighted": 1_000_000, "usd": 1_000_000_000}


class Cap(BaseModel):
    """A hard ceiling, on a batch of tasks, on each task, or on both, in one unit.

    `Cap(total=50_000)` lets all tasks together charge 50,000 tokens; `Cap(per_task=400)` gives each its own ceiling.
    Prompt tokens, completions and hidden reasoning of every call count, retries and verifiers included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    total: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    per_task: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    unit: Unit = "tokens"

    @model_validator(mode="after")
    def _caps_something(self) -> Cap:
        if self.total is None and self.per_task is None:
            raise ValueError("a cap needs total=, per_task=, or both")
        for value in (self.total, self.per_task):
            if value is not None:
                smallest(value, self.unit)
        return self

    @classmethod
    def given(cls, cap: object) -> Self:
        """What a caller gave as a cap.

        Raises:
            UsageError: it is none.
        """
        if isinstance(cap, cls):
            return cap
        raise UsageError(f"cap must be a Cap, not {cap!r:.40}; write Cap(total=5000), or Cap(per_task=400)")

    def batch_limit(self, tasks: int, of: int) -> Limit | None:
        """The limit of a batch of `tasks` of the `of` tasks that `total` is meant for."""
        if self.total is None:
            return None
        return Limit(self.unit, math.floor(smallest(self.total, self.unit) * tasks / of))

    def task_limit(self) -> Limit | None:
        """The limit of one task."""
        return None if self.per_task is None else Limit(self.unit, smallest(self.per_task, self.unit))

    def mean_per_task(self, tasks: int) -> float:
        """What a task may charge on average when `tasks` of them share the cap, in `unit`."""
        shares = [self.per_task] if self.per_task is not None else []
        if self.total is not None:
            shares.append(self.total / tasks)
        return min(shares)


def smallest(value: float, unit: Unit) -> int:
    """A value in `unit` as whole tokens, millionths of a weighted token, or billionths of a dollar, rounded down.

    Raises:
        UsageError: it is more than the books can hold.
    """
    found = math.floor(value * _SMALLEST[unit])
    if found > _MOST:
        most = _MOST // _SMALLEST[unit]
        raise UsageError(f"{value:g} {unit} is more than the books can hold; the largest limit is {most:,} {unit}")
    return found


def in_unit(amount: Amount, unit: Unit) -> float:
    """An amount as a number of tokens, weighted tokens or dollars."""
    return pick(amount, unit) / _SMALLEST[unit]


def pick(amount: Amount, unit: Unit) -> int:
    """The whole number of `amount` that counts in `unit`."""
    if unit == "tokens":
        return amount.tokens
    return amount.weighted if unit == "weighted" else amount.usd
