"""What policies share that rest on the common predictor: several ways of planning, the best of them for each budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from ...errors import UsageError
from ..arrays import Ints
from ..concurrency import one_thread
from ..prediction.fitted import Fitted
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import Arm, Batch, Lesson
from .base import Assignment
from .planning import assigned, cheapest
from .rehearsal import Rehearsal, on_validation, rehearse
from .schedule import MakePlan, Schedule, budget_ladder, fit_schedule
from .view import View

__all__ = ["SHARES", "Learned"]

SHARES = (1.0, 0.7, 0.4, 0.0)
"""How far predicted scores are drawn towards the arms' means: the best of many noisy forecasts is too good to be true,
so it is tried how much of what is known of a question should count."""


class Learned(Fitted):
    """A policy that rests on the common predictor.

    A subclass says in `plans` which ways of planning its method has: a shrinkage, a setting for all, a pair of models.
    They are compared, for a ladder of budgets, on questions that were not learned from.
    """

    name: ClassVar[str]
    has_own_model: ClassVar[bool] = False
    """Whether it learns more from the fit part than the predictor did, so that only validation can judge it."""
    predictor: Predictor
    schedule: Schedule = Schedule(budgets=np.empty(0), choices=())
    """Which way serves at which budget."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        field = self.misfit(self.predictor.encoder.columns, len(self.predictor.arms))
        if field:
            raise ValueError(
                f"{field} does not fit the arms and columns of its predictor; write the file anew instead of editing it"
            )
        return self

    def misfit(self, columns: int, arms: int) -> str:
        """The first field that is not for so many columns and arms; empty where all are. For what a subclass adds."""
        return ""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `Policy.arms`."""
        return self.predictor.arms

    @property
    def probe(self) -> str | None:
        """See `Policy.probe`."""
        return self.predictor.probe

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`."""
        return self.predictor.wrong_costs

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`."""
        return cls.from_predictor(lesson, fit_predictor(lesson))

    @classmethod
    def from_predictor(cls, lesson: Lesson, predictor: Predictor, rehearsal: Rehearsal | None = None) -> Self:
        """Like `fit`, with the lesson's predictor fitted already, and the rehearsal where it is at hand."""
        with one_thread():
            draft = cls.draft(lesson, predictor)
            if cls.has_own_model:
                rehearsal = on_validation(lesson, predictor)
            elif rehearsal is None:
                rehearsal = rehearse(lesson, predictor)
            schedule = fit_schedule(budget_ladder(lesson), draft.plans(rehearsal.view), rehearsal)
        return draft.model_copy(update={"schedule": schedule})

    @classmethod
    def draft(cls, lesson: Lesson, predictor: Predictor) -> Self:
        """The policy without its schedule: here a subclass learns what is its own."""
        return cls(predictor=predictor)

    def plans(self, view: View) -> Sequence[MakePlan]:
        """The ways of planning for what is seen of a batch, always the same ones in the same order."""
        raise NotImplementedError

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `Policy.assign`."""
        if not len(batch):
            return Assignment(np.empty(0, np.intp), np.empty(0), np.empty(0))
        view = View(self.predictor, batch)
        return assigned(self.choose(view, budget), view.costs, view.high)

    def choose(self, view: View, budget: float) -> Ints:
        """(questions,): the arms for what is seen of a batch."""
        plans, count = self.plans(view), len(view.batch)
        rate = self.schedule.spent(budget / count)
        budget = min(budget, rate * count)
        for way in self.schedule.ways(rate):
            if way >= len(plans):
                raise UsageError(f"policy {self.name!r}: field 'schedule' names way {way}, and there are {len(plans)}")
            chosen = plans[way](budget)
            if chosen is not None:
                return chosen
        return cheapest(view.costs)
