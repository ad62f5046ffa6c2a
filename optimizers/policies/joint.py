"""Models and settings chosen together, for every question: one knapsack over all arms."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

from ..concurrency import one_thread
from ..prediction.predictor import Predictor
from ..tables.table import Arm, Lesson
from .grouped import Grouped
from .rehearsal import Rehearsal, rehearse
from .schedule import budget_ladder, fit_schedule

__all__ = ["Joint", "JointUpFront"]


class JointUpFront(Grouped):
    """Buys for every question the model and the setting that are worth most at the price all questions share.

    The multiple-choice knapsack over all plans, decided before anything is seen of an answer, on scores drawn towards
    the arms' means by the share that did best in rehearsal. With a share of 0 it is the best mixture of static arms.
    """

    name: ClassVar[str] = "joint_up_front"
    policy: Literal["joint_up_front"] = "joint_up_front"

    @staticmethod
    def key(arm: Arm) -> None:
        """Nothing is decided for all questions at once: all arms are one group."""


class Joint(Grouped):
    """The same over plans and cascades: for every question also whether to look first and decide then.

    A cascade is an arm: what it scores and costs is forecast from its own outcomes. The shares are compared on
    questions whose cascades were found without them, see `rehearse_cascades`. Where the table shows nothing of answers
    it is `JointUpFront`.
    """

    name: ClassVar[str] = "joint"
    policy: Literal["joint"] = "joint"
    version: Literal[2] = 2
    """Files of the first version had no cascades; they are read as those of `JointUpFront`."""

    @staticmethod
    def key(arm: Arm) -> None:
        """See `JointUpFront.key`."""

    @classmethod
    def from_predictor(cls, lesson: Lesson, predictor: Predictor, rehearsal: Rehearsal | None = None) -> Self:
        """See `Learned.from_predictor`; the predictor is that of the plans."""
        with one_thread():
            rehearsal = rehearse(lesson, predictor) if rehearsal is None else rehearsal
            found = rehearsal.cascades
            draft = cls.draft(lesson, found.predictor)
            if found.cascades:
                rehearsal = replace(rehearsal, view=found.view, scores=found.scores)
            schedule = fit_schedule(budget_ladder(lesson), draft.plans(rehearsal.view), rehearsal)
        return draft.model_copy(update={"schedule": schedule})
