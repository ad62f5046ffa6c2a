"""The joint choice where it has proved itself, a simpler policy elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..arrays import Floats, Ints
from ..bootstrap import within_one_error
from ..prediction.fitted import Array, Fitted
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import UNANSWERED, Arm, Batch, Lesson
from .base import ArmPolicy, Assignment
from .cascade import Cascade
from .cascade_by_family import CascadeByFamily
from .grouped import AllocateOnly, RouteOnly
from .joint import Joint, JointUpFront
from .learned import Learned
from .planning import taken
from .rehearsal import Rehearsal, rehearse
from .route_then_allocate import RouteThenAllocate
from .schedule import Schedule, budget_ladder
from .static import StaticMix

__all__ = ["JointSafe", "Ladder"]

_ON_PLANS: Mapping[str, type[Learned]] = MappingProxyType(
    {make.name: make for make in (AllocateOnly, RouteOnly, RouteThenAllocate, JointUpFront)}
)
"""Those that rest on the predictor of the plans. New files have no `JointUpFront`, old ones have it for `Joint`."""
_REACH = 1.0
"""How far budgets count as near, in natural logarithms: one standard deviation."""
_ROUNDING = 1e-9
_OLD = (StaticMix.name, *_ON_PLANS)
"""The members of the first version, which stored their numbers."""

_Reached = Callable[[float], tuple[Floats, float]]
"""From a budget for all questions to the score of each, in rehearsal, and what is meant to be spent."""


class Ladder(Fitted):
    """Which member serves at which budget."""

    budgets: Array
    """(rungs,), rising: per question."""
    members: tuple[str, ...]
    """For every rung, the name of the member that serves there."""
    spends: Array
    """(rungs,): the budget that it is given: the rung's own, or that of a rung below which scored more."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shape = (len(self.members),)
        if not self.members or self.budgets.shape != shape or self.spends.shape != shape:
            raise ValueError("budgets, members and spends must be lists of one length, and not empty")
        if (np.diff(self.budgets) <= 0).any() or (self.spends > self.budgets).any() or (np.diff(self.spends) < 0).any():
            raise ValueError("budgets must rise, and spends must not fall or be above them")
        return self


class JointSafe(Fitted):
    """Serves each budget with the simplest policy that cannot be told from the best one.

    The members, from simple to complex: static mixture, one cascade, one cascade per family, allocate-only, route-only,
    route-then-allocate, joint over plans and cascades. Of those that come within one standard error of the best score
    in rehearsal (the standard error of the paired differences; Breiman et al. 1984), the simplest serves. So where
    nothing is to be gained by choosing jointly, nothing is lost by it either, beyond noise. A gain that begins between
    two budgets of the ladder is not missed: there, the more complex of their choices serves. A budget at which less is
    scored than at a smaller one is not spent.
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
        for name in ("_members", "_arms", "_numbers"):
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

        def made(make: type[Learned]) -> Any:
            return ready.get(make) or make.from_predictor(lesson, predictor, rehearsal)

        on_plans = [made(make) for make in (AllocateOnly, RouteOnly, RouteThenAllocate)]
        joint: Joint = made(Joint)
        families = len({question.family for question in lesson.fit.questions})
        # Where any member needs the probe, it is taken for all.
        looks = predictor.probe_cost * len(view.batch)

        # The mixture too is judged on questions that its means do not know: on its own it would be flattered.

        def of(member: Learned) -> _Reached:
            seen, scores = (
                (found.view, found.scores) if member is joint and found.cascades else (view, rehearsal.scores)
            )

            def reached(budget: float) -> tuple[Floats, float]:
                chosen = member.choose(seen, budget)
                return taken(scores, chosen), float(taken(seen.costs, chosen).sum())

            return reached

        def without_looking(reached: _Reached) -> _Reached:
            def paying(budget: float) -> tuple[Floats, float]:
                scores, spend = reached(budget - looks)
                return scores, spend + looks

            return paying

        ways: dict[str, _Reached] = {StaticMix.name: without_looking(partial(found.alone.reached, unanswered=True))}
        if found.cascades:
            ways[Cascade.name] = without_looking(found.one.reached)
        if families > 1:
            ways[CascadeByFamily.name] = without_looking(found.families.reached)
        ways |= {member.name: of(member) for member in (*on_plans, joint)}
        return cls(
            predictor=predictor,
            mix=mix,
            cascade=Cascade.from_cascades(lesson, found.cascades) if found.cascades else None,
            by_family=CascadeByFamily.from_cascades(lesson, found.by_family) if families > 1 else None,
            schedules={member.name: member.schedule for member in on_plans},
            joint=joint,
            ladder=_simplest(budget_ladder(lesson), ways, len(view.batch)),
        )

    def member(self, budget: float) -> ArmPolicy:
        """What serves at a budget per question; between two rungs, the more complex of their choices."""
        budgets, names = self.ladder.budgets, [member.name for member in self._members]
        above = int(np.searchsorted(budgets, budget))
        near = self.ladder.members[above : above + 1]
        if not (above < len(budgets) and (above == 0 or budgets[above] == budget)):
            near = self.ladder.members[max(above - 1, 0) : above + 1]
        return self._members[max(names.index(name) for name in near)]

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `ArmPolicy.assign`."""
        count = max(1, len(batch))
        member = self.member(budget / count)
        above = min(int(np.searchsorted(self.ladder.budgets, budget / count)), len(self.ladder.budgets) - 1)
        if self.ladder.spends[above] < self.ladder.budgets[above]:
            budget = min(budget, float(self.ladder.spends[above]) * count)
        # Who does not look at the probe pays it all the same where other budgets need it, so it was taken.
        looked = self.probe is not None and member.probe is None
        cost, high = (self.predictor.probe_cost, self.predictor.probe_high) if looked else (0.0, 0.0)
        found = member.assign(batch, budget - cost * len(batch))
        numbers = self._numbers[member.name]
        arms = np.where(found.arms == UNANSWERED, UNANSWERED, numbers[found.arms])
        return replace(found, arms=arms, expected=found.expected + cost, high=found.high + high)

    @cached_property
    def _members(self) -> list[ArmPolicy]:
        on_plans = {
            name: make(predictor=self.predictor, schedule=self.schedules[name])
            for name, make in _ON_PLANS.items()
            if name in self.schedules
        }
        found = [self.mix, self.cascade, self.by_family, *on_plans.values(), self.joint]
        return [member for member in found if member is not None]

    @cached_property
    def _arms(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in (*self.predictor.arms, *(a for m in self._members for a in m.arms))}

    @cached_property
    def _numbers(self) -> dict[str, Ints]:
        """For every member, the numbers of its arms among all."""
        at = {name: number for number, name in enumerate(self._arms)}
        return {member.name: np.array([at[arm.name] for arm in member.arms], np.intp) for member in self._members}


def _simplest(budgets: Floats, ways: Mapping[str, _Reached], count: int) -> Ladder:
    """For every budget, the first member within one standard error of the best; no budget that scores less is spent.

    Scores are compared with those at budgets nearby: at one budget alone, a few hundred questions say little of
    members that differ by a point or two, while what is good there is good a little above and below.
    """
    tried = {name: [reached(budget * count) for budget in budgets.tolist()] for name, reached in ways.items()}
    apart = np.log(budgets)[:, None] - np.log(budgets)
    near = np.exp(-0.5 * np.square(apart / _REACH))
    near /= near.sum(axis=1, keepdims=True)
    scores = {name: near @ np.stack([found for found, _ in each]) for name, each in tried.items()}
    members: list[str] = []
    spends: list[float] = []
    least, best_score = 0.0, -np.inf
    for rung, budget in enumerate(budgets.tolist()):
        spent = {name: each[rung][1] for name, each in tried.items()}
        # As in every schedule, more budget must not buy less.
        enough = [name for name in spent if spent[name] >= least * (1 - 1e-9)] or [max(spent, key=spent.__getitem__)]
        best = max(enough, key=lambda name: float(scores[name][rung].mean()))
        choice = next(name for name in enough if within_one_error(scores[best][rung] - scores[name][rung]))
        score = float(scores[choice][rung].mean())
        if members and score < best_score - _ROUNDING:
            members.append(members[-1])
            spends.append(spends[-1])
            continue
        members.append(choice)
        spends.append(budget)
        least, best_score = spent[choice], max(score, best_score)
    return Ladder(budgets=budgets, members=tuple(members), spends=np.array(spends))
