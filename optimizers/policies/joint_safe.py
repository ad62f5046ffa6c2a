"""The joint choice where it has proved itself, a simpler policy elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..arrays import Floats, Ints
from ..bootstrap import within_one_error
from ..prediction.fitted import Fitted
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import ABSTAIN, Arm, Batch, Lesson
from .base import ArmPolicy, Assignment
from .grouped import AllocateOnly, RouteOnly
from .joint import Joint
from .rehearsal import Rehearsal, rehearse
from .route_then_allocate import RouteThenAllocate
from .schedule import Schedule, budget_ladder
from .static import StaticMix

__all__ = ["JointSafe"]

_LEARNED = (AllocateOnly, RouteOnly, RouteThenAllocate, Joint)
"""Simplest first; the static mixture comes before them."""


class JointSafe(Fitted):
    """Serves each budget with the simplest policy that cannot be told from the best one.

    The members, from simple to complex: static mixture, allocate-only, route-only, route-then-allocate, joint. Of
    those that come within one standard error of the best score in rehearsal (the standard error of the paired
    differences; Breiman et al. 1984), the simplest serves. So where nothing is to be gained by choosing jointly,
    nothing is lost by it either, beyond noise. A gain that begins between two budgets of the ladder is not missed:
    there, the more complex of their choices serves.
    """

    name: ClassVar[str] = "joint_safe"
    policy: Literal["joint_safe"] = "joint_safe"
    predictor: Predictor
    mix: StaticMix
    schedules: tuple[Schedule, ...]
    """Of the other members."""
    schedule: Schedule
    """Which member serves at which budget."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.schedules) != len(_LEARNED) or not self.schedule.choices:
            raise ValueError(f"schedules must be those of {len(_LEARNED)} members, and schedule must not be empty")
        if max(self.schedule.choices) > len(_LEARNED):
            raise ValueError(f"schedule must choose among members 0 to {len(_LEARNED)}")
        return self

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `ArmPolicy.arms`."""
        return self.predictor.arms

    @property
    def probe(self) -> str | None:
        """See `ArmPolicy.probe`; none where only the static mixture serves."""
        return self.predictor.probe if any(self.schedule.choices) else None

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`."""
        return cls.from_predictor(lesson, fit_predictor(lesson))

    @classmethod
    def from_predictor(
        cls,
        lesson: Lesson,
        predictor: Predictor,
        rehearsal: Rehearsal | None = None,
        members: Sequence[ArmPolicy] = (),
    ) -> Self:
        """Like `fit`, with the lesson's predictor fitted already, and the rehearsal where it is at hand.

        Args:
            lesson: as for `fit`.
            predictor: of the lesson.
            rehearsal: of both.
            members: policies of the same lesson and predictor; those that are members are not fitted anew.
        """
        rehearsal = rehearse(lesson, predictor) if rehearsal is None else rehearsal
        view, mix = rehearsal.view, StaticMix.fit(lesson)
        ready = {type(member): member for member in members if isinstance(member, _LEARNED)}
        learned = [ready.get(make) or make.from_predictor(lesson, predictor, rehearsal) for make in _LEARNED]

        def mixed(budget: float) -> Ints:
            # Where any member needs the probe, it is taken for all.
            return mix.assign(view.batch, budget - predictor.probe_cost * len(view.batch)).arms

        plans: list[Callable[[float], Ints]] = [mixed, *(partial(member.choose, view) for member in learned)]
        return cls(
            predictor=predictor,
            mix=mix,
            schedules=tuple(member.schedule for member in learned),
            schedule=_simplest(budget_ladder(lesson), plans, rehearsal),
        )

    def member(self, budget: float) -> ArmPolicy:
        """What serves at a budget per question; between two rungs, the more complex of their choices."""
        budgets, choices = self.schedule.budgets, self.schedule.choices
        above = int(np.searchsorted(budgets, budget))
        if above == 0 or (above < len(budgets) and budgets[above] == budget):
            return self._members[choices[above]]
        return self._members[max(choices[above - 1 : above + 1])]

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `ArmPolicy.assign`."""
        member = self.member(budget / max(1, len(batch)))
        if member.name != StaticMix.name or self.probe is None:
            return member.assign(batch, budget)
        # The mixture does not look at the probe, but other budgets need it, so it was taken.
        cost, high = self.predictor.probe_cost, self.predictor.probe_high
        found = self.mix.assign(batch, budget - cost * len(batch))
        return replace(found, expected=found.expected + cost, high=found.high + high)

    @property
    def _members(self) -> list[ArmPolicy]:
        pairs = zip(_LEARNED, self.schedules, strict=True)
        return [self.mix, *(make(predictor=self.predictor, schedule=schedule) for make, schedule in pairs)]


def _simplest(budgets: Floats, plans: Sequence[Callable[[float], Ints]], rehearsal: Rehearsal) -> Schedule:
    """For every budget, the first member within one standard error of the best."""
    costs, choices, least = rehearsal.view.costs, [], 0.0
    for budget in budgets.tolist():
        chosen = [plan(budget * len(costs)) for plan in plans]
        spends = [_taken(costs, arms).sum() for arms in chosen]
        reached = [_taken(rehearsal.scores, arms) for arms in chosen]
        # As in every schedule, more budget must not buy less.
        enough = [n for n, spend in enumerate(spends) if spend >= least * (1 - 1e-9)] or [int(np.argmax(spends))]
        best = max(enough, key=lambda n: float(reached[n].mean()))
        choice = next(n for n in enough if within_one_error(reached[best] - reached[n]))
        choices.append(choice)
        least = float(spends[choice])
    return Schedule(budgets=budgets, choices=tuple(choices))


def _taken(values: Floats, chosen: Ints) -> Floats:
    """(questions,): of each question what was chosen, 0 where nothing was."""
    return np.where(chosen == ABSTAIN, 0.0, values[np.arange(len(chosen)), chosen])
