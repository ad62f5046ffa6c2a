"""The joint choice where it has proved itself, a simpler policy elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..arrays import Floats, Ints
from ..prediction.fitted import Fitted
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import UNANSWERED, Arm, Batch, Lesson, Question
from .base import ArmPolicy, Assignment
from .cascade import Cascade
from .cascade_by_family import CascadeByFamily
from .grouped import AllocateOnly, RouteOnly
from .joint import Joint, JointUpFront
from .ladder import Ladder, Reached, simplest
from .learned import Learned
from .planning import taken
from .rehearsal import Rehearsal, rehearse
from .route_then_allocate import RouteThenAllocate
from .schedule import Schedule, budget_ladder
from .sequential import Sequential
from .sequential_policy import STOP, Seen, plurality
from .static import StaticMix

__all__ = ["JointSafe", "Ladder"]

_ON_PLANS: Mapping[str, type[Learned]] = MappingProxyType(
    {make.name: make for make in (AllocateOnly, RouteOnly, RouteThenAllocate, JointUpFront)}
)
"""Those that rest on the predictor of the plans. New files have no `JointUpFront`, old ones have it for `Joint`."""
_OLD = (StaticMix.name, *_ON_PLANS)
"""The members of the first version, which stored their numbers."""


class JointSafe(Fitted):
    """Serves each budget with the simplest policy that cannot be told from the best one.

    The members, from simple to complex: static mixture, one cascade, one cascade per family, allocate-only, route-only,
    route-then-allocate, joint over plans and cascades, sequential. Of those that come within one standard error of the
    best score in rehearsal (the standard error of the paired differences; Breiman et al. 1984), the simplest serves. So
    where nothing is to be gained by choosing jointly, nothing is lost by it either, beyond noise. A gain that begins
    between two budgets of the ladder is not missed: there, the more complex of their choices serves. A budget at which
    less is scored than at a smaller one is not spent.
    """

    name: ClassVar[str] = "joint_safe"
    policy: Literal["joint_safe"] = "joint_safe"
    predictor: Predictor
    """Of the plans."""
    mix: StaticMix
    cascade: Cascade | None = None
    by_family: CascadeByFamily | None = None
    schedules: dict[str, Schedule]
    """Of the members that rest on the predictor of the plans, by name."""
    joint: Joint | None = None
    sequential: Sequential | None = None
    """Where there are cascades to correct; files of earlier versions have none."""
    ladder: Ladder

    @model_validator(mode="before")
    @classmethod
    def _of_first_version(cls, content: Any) -> Any:
        """Files of the first version have the members' schedules as a list, and their numbers in `schedule`."""
        if not isinstance(content, dict) or "schedule" not in content:
            return content
        old, schedules = content.get("schedule"), content.get("schedules")
        rest = {field: value for field, value in content.items() if field not in ("schedule", "schedules")}
        old = old if isinstance(old, dict) else {}
        choices = old.get("choices")
        if not isinstance(schedules, list) or len(schedules) != len(_ON_PLANS) or not isinstance(choices, list):
            raise ValueError(f"schedules must be those of {len(_ON_PLANS)} members, beside a schedule")
        if not all(isinstance(n, int) and 0 <= n < len(_OLD) for n in choices):
            raise ValueError(f"schedule must choose among members 0 to {len(_OLD) - 1}")
        ladder = {
            "budgets": old.get("budgets"),
            "members": [_OLD[number] for number in choices],
            "spends": old.get("budgets"),
        }
        return rest | {"schedules": dict(zip(_ON_PLANS, schedules, strict=True)), "ladder": ladder}

    @model_validator(mode="after")
    def _check(self) -> Self:
        unknown = [name for name in self.schedules if name not in _ON_PLANS]
        if unknown:
            raise ValueError(f"schedules must be of members among {', '.join(_ON_PLANS)}, not {unknown[0]!r}")
        known = [member.name for member in self._members]
        missing = [name for name in self.ladder.members if name not in known]
        if missing:
            raise ValueError(f"ladder must choose among the members {', '.join(known)}, not {missing[0]!r}")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As of any model; what was worked out of the old fields is not kept."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("_members", "_arms", "_numbers", "_sequels"):
            copied.__dict__.pop(name, None)
        return copied

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `ArmPolicy.arms`; the plans first."""
        return tuple(self._arms.values())

    @property
    def probe(self) -> str | None:
        """See `ArmPolicy.probe`; none where only members serve that know no probe."""
        looking = {member.name for member in self._members if member.probe is not None}
        return self.predictor.probe if looking & set(self.ladder.members) else None

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`."""
        return self.predictor.wrong_costs

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        """All that its members rest on."""
        return (self.predictor,) if self.joint is None else (self.predictor, self.joint.predictor)

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
        view, found, mix = rehearsal.view, rehearsal.cascades, StaticMix.fit(lesson)
        ready = {type(member): member for member in members}

        def made(make: type[Learned | Sequential]) -> Any:
            return ready.get(make) or make.from_predictor(lesson, predictor, rehearsal)

        on_plans = [made(make) for make in (AllocateOnly, RouteOnly, RouteThenAllocate)]
        joint: Joint = made(Joint)
        sequential: Sequential = made(Sequential)
        families = len({question.family for question in lesson.fit.questions})
        # Where any member needs the probe, it is taken for all.
        looks = predictor.probe_cost * len(view.batch)

        def of(member: Learned) -> Reached:
            seen, scores = (
                (found.view, found.scores) if member is joint and found.cascades else (view, rehearsal.scores)
            )

            def reached(budget: float) -> tuple[Floats, float]:
                chosen = member.choose(seen, budget)
                return taken(scores, chosen), float(taken(seen.costs, chosen).sum())

            return reached

        def without_looking(reached: Reached) -> Reached:
            def paying(budget: float) -> tuple[Floats, float]:
                scores, spend = reached(budget - looks)
                return scores, spend + looks

            return paying

        # The mixture too is judged on questions that its means do not know: on its own it would be flattered.
        ways: dict[str, Reached] = {StaticMix.name: without_looking(partial(found.alone.reached, unanswered=True))}
        if found.cascades:
            ways[Cascade.name] = without_looking(found.one.reached)
        if families > 1:
            ways[CascadeByFamily.name] = without_looking(found.families.reached)
        ways |= {member.name: of(member) for member in (*on_plans, joint)}
        if sequential.levels:
            ways[Sequential.name] = without_looking(sequential.rehearsed(rehearsal))
        return cls(
            predictor=predictor,
            mix=mix,
            cascade=Cascade.from_cascades(lesson, found.cascades) if found.cascades else None,
            by_family=CascadeByFamily.from_cascades(lesson, found.by_family) if families > 1 else None,
            schedules={member.name: member.schedule for member in on_plans},
            joint=joint,
            sequential=sequential if sequential.levels else None,
            ladder=simplest(budget_ladder(lesson), ways, len(view.batch)),
        )

    def member(self, budget: float) -> ArmPolicy:
        """What serves at a budget per question; between two rungs, the more complex of their choices."""
        names = [member.name for member in self._members]
        return self._members[names.index(self.ladder.at(budget, names))]

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `ArmPolicy.assign`."""
        count = max(1, len(batch))
        member = self.member(budget / count)
        budget = self.ladder.spent(budget, count)
        # Who does not look at the probe pays it all the same where other budgets need it, so it was taken.
        looked = self.probe is not None and member.probe is None
        cost, high = (self.predictor.probe_cost, self.predictor.probe_high) if looked else (0.0, 0.0)
        found = member.assign(batch, budget - cost * len(batch))
        numbers = self._numbers[member.name]
        arms = np.where(found.arms == UNANSWERED, UNANSWERED, numbers[found.arms])
        return replace(found, arms=arms, expected=found.expected + cost, high=found.high + high)

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        """See `SequentialPolicy.next`; what only looks once stops."""
        within = self._within(seen)
        if within is None:
            return STOP
        member, own = within
        found = member.next(question, own, left)
        return found if found == STOP else int(self._numbers[member.name][found])

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        """See `SequentialPolicy.answer`."""
        within = self._within(seen)
        return plurality(seen) if within is None else within[0].answer(question, within[1])

    def follows(self, arm: int) -> tuple[int, ...]:
        """See `SequentialPolicy.follows`."""
        if self.sequential is None or arm not in self._sequels:
            return ()
        return tuple(self._numbers[Sequential.name][list(self.sequential.follows(self._sequels[arm]))].tolist())

    def _within(self, seen: Sequence[Seen]) -> tuple[Sequential, tuple[Seen, ...]] | None:
        """The member that goes on after looks, with the numbers that they have there; None where none does."""
        if self.sequential is None or any(one.arm not in self._sequels for one in seen):
            return None
        return self.sequential, tuple(replace(one, arm=self._sequels[one.arm]) for one in seen)

    @cached_property
    def _sequels(self) -> dict[int, int]:
        """From numbers of arms to those that the sequential member has for them."""
        own = self._numbers.get(Sequential.name, np.empty(0, np.intp))
        return {number: place for place, number in enumerate(own.tolist())}

    @cached_property
    def _members(self) -> list[ArmPolicy]:
        on_plans = {
            name: make(predictor=self.predictor, schedule=self.schedules[name])
            for name, make in _ON_PLANS.items()
            if name in self.schedules
        }
        found = [self.mix, self.cascade, self.by_family, *on_plans.values(), self.joint, self.sequential]
        return [member for member in found if member is not None]

    @cached_property
    def _arms(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in (*self.predictor.arms, *(a for m in self._members for a in m.arms))}

    @cached_property
    def _numbers(self) -> dict[str, Ints]:
        """For every member, the numbers of its arms among all."""
        at = {name: number for number, name in enumerate(self._arms)}
        return {member.name: np.array([at[arm.name] for arm in member.arms], np.intp) for member in self._members}
