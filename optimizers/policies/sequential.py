"""Decides after each look whether another is worth its price; where nothing is learned of that, the best list."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..arrays import Floats, Ints
from ..concurrency import one_thread
from ..prediction.fitted import Array, Fitted
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.cascades import Signs
from ..tables.table import UNANSWERED, Arm, Batch, Lesson, Question
from .arm_means import ArmMeans
from .base import Assignment
from .cascade_by_family import CascadeByFamily, FamilyMeans
from .corrected_list import CorrectedList
from .correction_rehearsal import Way
from .correction_search import corrected, with_lists
from .joint import Joint
from .ladder import Ladder, Reached, simplest
from .rehearsal import Rehearsal, rehearse
from .schedule import budget_ladder
from .sequential_policy import STOP, Seen, plurality

__all__ = ["Level", "Sequential"]


class Level(Fitted):
    """What is chosen from in one way of choosing and correcting lists, see `Way`."""

    by_family: bool
    share: float = Field(ge=0, le=1)
    lists: tuple[CorrectedList, ...]
    means: CascadeByFamily
    """Of the plans and the lists; by family, or without families where all have one list."""
    most: Array
    """(arms of `means`,): the most that each cost where it was learned; of a list with corrections its worst case."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most.shape != (len(self.means.arms),) or (self.most < 0).any():
            raise ValueError("most must have a cost for every arm, not negative")
        return self

    @property
    def name(self) -> str:
        """See `Way.name`."""
        return Way(self.by_family, self.share).name


class Sequential(Fitted):
    """Lists of arms, corrected where a look more, another look or none is worth more at the price of the budget.

    Without anything learned of questions it is `Cascade`: one list for all; beyond that, families may have lists of
    their own, as in `CascadeByFamily`, and lists may be corrected. A correction says in which state of a question
    (which arms were asked, whether their answers agree, abstain, are confident, and the family) the list is left: to
    stop, or for one look at another arm. What that gains is learned beside the price at which the budget buys the list.
    Learned rules to stop are known to lose to a plain list where questions are few: how much counts is decided for each
    budget on questions from which neither lists nor corrections were learned, and where the best way cannot be told
    from a simpler one, that serves (Breiman et al. 1984). Cascade routing (Dekoninck, Baader and Vechev 2024) is the
    same with a model of every answer's quality.

    Where the table shows nothing of answers there is nothing to look at, and it is `Joint`.
    """

    name: ClassVar[str] = "sequential"
    policy: Literal["sequential"] = "sequential"
    version: Literal[1] = 1
    joint: Joint | None = None
    levels: tuple[Level, ...] = ()
    """From simple to complex; those that serve at some budget."""
    ladder: Ladder | None = None
    """Its members are the names of the levels."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.joint is None) == (not self.levels) or (self.ladder is None) == bool(self.levels):
            raise ValueError("there must be levels and a ladder, or joint instead of both")
        if self.ladder is None:
            return self
        order = [(level.by_family, level.share) for level in self.levels]
        if order != sorted(set(order)):
            raise ValueError("levels must be sorted by by_family and share, each pair once")
        missing = [name for name in self.ladder.members if name not in self._names]
        if missing:
            raise ValueError(f"ladder must choose among the levels {', '.join(self._names)}, not {missing[0]!r}")
        plans = {arm.name for level in self.levels for arm in level.means.arms if not arm.stages}
        for each in (each for level in self.levels for each in level.lists):
            lacking = {each.cascade.stages[0].arm, *each.later} - plans
            if lacking:
                raise ValueError(f"levels: a list names arm {sorted(lacking)[0]!r}, which is none of the plans")
        return self

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `ArmPolicy.arms`."""
        return self.joint.arms if self.joint is not None else tuple(self._arms.values())

    @property
    def probe(self) -> str | None:
        """See `ArmPolicy.probe`; where it looks at answers, none."""
        return None if self.joint is None else self.joint.probe

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`."""
        return self.levels[0].means.wrong_costs if self.joint is None else self.joint.wrong_costs

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        """All that it rests on."""
        return () if self.joint is None else (self.joint.predictor,)

    @classmethod
    def fit(cls, lesson: Lesson) -> Self:
        """See `MakePolicy.fit`."""
        return cls.from_predictor(lesson, fit_predictor(lesson))

    @classmethod
    def from_predictor(cls, lesson: Lesson, predictor: Predictor, rehearsal: Rehearsal | None = None) -> Self:
        """Like `fit`, with the lesson's predictor fitted already, and the rehearsal where it is at hand."""
        with one_thread():
            rehearsal = rehearse(lesson, predictor) if rehearsal is None else rehearsal
            found = rehearsal.cascades
            if not found.cascades:
                return cls(joint=Joint.from_predictor(lesson, predictor, rehearsal))
            reached = {way.name: forecasts.reached for way, forecasts in rehearsal.corrections.items()}
            ladder = simplest(budget_ladder(lesson), reached, len(rehearsal.view.batch))
            serving = [way for way in rehearsal.corrections if way.name in ladder.members]
            learned = {
                by_family: corrected(lesson.searched, found.by_family if by_family else found.cascades)
                for by_family in {way.by_family for way in serving}
            }
            levels = [_level(lesson, way, learned[way.by_family][way.share]) for way in serving]
            return cls(levels=tuple(levels), ladder=ladder)

    def rehearsed(self, rehearsal: Rehearsal) -> Reached:
        """What it reaches on the questions of a rehearsal, in the ways that serve; where it is not `Joint`."""
        ways = {way.name: found for way, found in rehearsal.corrections.items()}
        count = len(rehearsal.view.batch)
        assert self.ladder is not None
        ladder = self.ladder

        def reached(budget: float) -> tuple[Floats, float]:
            return ways[ladder.at(budget / count, self._names)].reached(ladder.spent(budget, count))

        return reached

    def level(self, budget: float) -> Level | None:
        """What is chosen from at a budget per question; None where it is `Joint`."""
        return None if self.ladder is None else self.levels[self._level(budget)]

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `SequentialPolicy.assign`."""
        if self.joint is not None or self.ladder is None:
            assert self.joint is not None
            return self.joint.assign(batch, budget)
        if not len(batch):
            return Assignment(np.empty(0, np.intp), np.empty(0), np.empty(0))
        number = self._level(budget / len(batch))
        level = self.levels[number]
        found = level.means.assign(batch, self.ladder.spent(budget, len(batch)))
        # What ends after one arm is foreseen as by all policies; a sequence by the worst that it came to.
        asked = found.arms != UNANSWERED
        most = np.where(asked & self._looking[number][found.arms], level.most[found.arms], 0.0)
        arms = np.where(asked, self._numbers[number][found.arms], UNANSWERED)
        return Assignment(arms, found.expected, np.maximum(found.high, most))

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        """See `SequentialPolicy.next`; what is left decides nothing, because its worst case was planned for."""
        found = self._lists.get(self.arms[seen[0].arm].name)
        if found is None:
            return STOP
        after = found.after(self._asked(found, seen), _signs_of(seen), question.family)
        return STOP if after is None else self._at[after]

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        """See `SequentialPolicy.answer`."""
        found = self._lists.get(self.arms[seen[0].arm].name)
        if found is None:
            return plurality(seen)
        return found.final(self._asked(found, seen), _signs_of(seen), question.family)

    def follows(self, arm: int) -> tuple[int, ...]:
        """See `SequentialPolicy.follows`."""
        found = self._lists.get(self.arms[arm].name)
        return () if found is None else tuple(self._at[name] for name in found.later)

    def _asked(self, found: CorrectedList, seen: Sequence[Seen]) -> tuple[str, ...]:
        return (found.cascade.stages[0].arm, *(self.arms[one.arm].name for one in seen[1:]))

    def _level(self, budget: float) -> int:
        assert self.ladder is not None
        return self._names.index(self.ladder.at(budget, self._names))

    @cached_property
    def _names(self) -> list[str]:
        return [level.name for level in self.levels]

    @cached_property
    def _arms(self) -> dict[str, Arm]:
        return {arm.name: arm for level in self.levels for arm in level.means.arms}

    @cached_property
    def _at(self) -> dict[str, int]:
        return {arm.name: number for number, arm in enumerate(self.arms)}

    @cached_property
    def _lists(self) -> dict[str, CorrectedList]:
        """Those with corrections, by the name of their arm."""
        return {each.arm.name: each for level in self.levels for each in level.lists if each.corrections}

    @cached_property
    def _numbers(self) -> list[Ints]:
        """For every level, the numbers of its arms among all."""
        return [np.array([self._at[arm.name] for arm in level.means.arms], np.intp) for level in self.levels]

    @cached_property
    def _looking(self) -> list[Ints]:
        """For every level, which of its arms are lists with corrections."""
        return [np.array([arm.name in self._lists for arm in level.means.arms]) for level in self.levels]


def _level(lesson: Lesson, way: Way, lists: tuple[CorrectedList, ...]) -> Level:
    table = with_lists(lesson.searched, lists, way.share)
    fields: dict[str, Any] = {"arms": table.arms, "seed": lesson.seed, "wrong_costs": lesson.wrong_costs}
    if way.by_family:
        families = FamilyMeans.of(table)
        fields |= {name: getattr(families, name) for name in ("families", "scores", "costs", "high")}
    else:
        means = ArmMeans.of(table)
        fields |= {name: getattr(means, name)[None] for name in ("scores", "costs", "high")} | {"families": ()}
    most = table.costs.max(axis=(0, 2))
    return Level(by_family=way.by_family, share=way.share, lists=lists, means=CascadeByFamily(**fields), most=most)


def _signs_of(seen: Sequence[Seen]) -> Signs:
    """(looks, 1)."""
    gave = np.array([[not one.status.failed] for one in seen])
    answered = np.array([[one.answered] for one in seen])
    sure = np.array([[-np.inf if one.confidence is None else one.confidence] for one in seen])
    return Signs(gave, answered, np.where(gave, sure, -np.inf), np.array([[one.answer] for one in seen], np.intp))
