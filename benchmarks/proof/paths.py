"""A policy around one budget: what it would do with a little more and a little less.

Where questions are resampled, a policy that shares one budget among them has to choose anew, because dearer questions
in the draw leave less for the others. All policies here do so by way of one number: a price, a threshold, a share.
So their choices for a ladder of budgets on all questions are what they choose on any resample, at the rung where the
resample's planned spend meets the budget. That makes thousands of draws affordable; `anew` chooses again on
a draw, to say how much that differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apportion import UNANSWERED
from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.joint_safe import JointSafe, Ladder
from apportion.optimizers.policies.learned import Learned
from apportion.optimizers.policies.schedule import Schedule
from apportion.optimizers.policies.sequences import followed
from apportion.optimizers.policies.sequential import Sequential
from apportion.optimizers.tables.cascades import stage_signs, stops
from apportion.optimizers.tables.table import Arm, Batch, Table

from .draws import Resample, Statistic

__all__ = ["Path", "PathChoice", "anew", "asked_of", "choice_of", "path_of", "pinned", "statistics_of"]

_STEPS = 6
"""Rungs below the budget, and as many above."""
_DEVIATIONS = 4.5
"""How many standard errors of the planned spend the ladder reaches on either side."""
_LEAST_REACH, _MOST_REACH = 0.01, 0.4


@dataclass(frozen=True, slots=True, eq=False)
class PathChoice:
    """What a policy chose for all questions, and what came of it."""

    arms: Ints
    """(questions,): numbers of the policy's arms, or `UNANSWERED`."""
    expected: Floats
    """(questions,): planned costs."""
    scores: Floats
    """(questions,): means over replicates; 0 where nothing was chosen."""
    costs: Floats
    """(questions,): means over replicates."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Choices for a ladder of budgets around the one that is meant."""

    budgets: Floats
    """(rungs,), rising: per question. The middle one is the budget that is meant."""
    choices: tuple[PathChoice, ...]
    """One for each rung."""

    @property
    def middle(self) -> PathChoice:
        """At the budget that is meant."""
        return self.choices[len(self.choices) // 2]

    @property
    def rows(self) -> Floats:
        """(questions, 3 rungs): planned cost, score and cost of each rung."""
        return np.column_stack(
            [column for choice in self.choices for column in (choice.expected, choice.scores, choice.costs)]
        )

    def met(self, means: Floats) -> tuple[Floats, Floats]:
        """Scores and costs where each draw's planned spend meets the budget.

        Args:
            means: (draws, 3 rungs): of `rows` over the questions of each draw.
        """
        planned = np.array([choice.expected.mean() for choice in self.choices])
        # A rung that was planned for its budget on all questions needs so much more or less on the questions drawn.
        needed = np.maximum.accumulate(self.budgets + means[:, 0::3] - planned, axis=1)
        budget = self.budgets[len(self.budgets) // 2]
        rung = np.clip((needed <= budget).sum(axis=1) - 1, 0, len(self.budgets) - 2)
        draws = np.arange(len(needed))
        low, high = needed[draws, rung], needed[draws, rung + 1]
        share = np.clip((budget - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        scores, costs = means[:, 1::3], means[:, 2::3]
        return (
            (1 - share) * scores[draws, rung] + share * scores[draws, rung + 1],
            (1 - share) * costs[draws, rung] + share * costs[draws, rung + 1],
        )


def statistics_of(paths: Sequence[Path], resample: Resample) -> list[tuple[Statistic, Statistic]]:
    """Score and cost per question of each path, with the allocation redone in every draw.

    All paths are multiplied out together, which is many times faster than one by one.
    """
    rows = np.hstack([path.rows for path in paths])
    drawn, left_out = resample.means(rows), resample.left_out(rows)
    found, begin = [], 0
    for path in paths:
        end = begin + 3 * len(path.choices)
        scores, costs = path.met(drawn[:, begin:end])
        scores_left, costs_left = path.met(left_out[:, begin:end])
        middle = path.middle
        found.append(
            (
                Statistic(float(middle.scores.mean()), scores, scores_left),
                Statistic(float(middle.costs.mean()), costs, costs_left),
            )
        )
        begin = end
    return found


def path_of(policy: ArmPolicy, table: Table, batch: Batch, budget: float) -> Path:
    """A policy's choices around a budget, all made the way that it plans for that budget.

    Args:
        policy: its arms are among those of the table, or cascades of them.
        table: what came of every arm.
        batch: the table's questions, perhaps with forecasts.
        budget: per question.
    """
    policy = pinned(policy, budget)
    middle = choice_of(policy, table, batch, budget)
    spend = float(middle.expected.mean())
    error = float(middle.expected.std()) / np.sqrt(len(batch)) / spend if spend > 0 else 0.0
    reach = min(max(_DEVIATIONS * error, _LEAST_REACH), _MOST_REACH)
    budgets = budget * (1 + reach * np.arange(-_STEPS, _STEPS + 1) / _STEPS)
    choices = [
        middle if number == _STEPS else choice_of(policy, table, batch, float(each))
        for number, each in enumerate(budgets)
    ]
    return Path(budgets, tuple(choices))


def choice_of(policy: ArmPolicy, table: Table, batch: Batch, budget: float) -> PathChoice:
    """What a policy chooses at a budget per question, and what came of it; of a sequence the first arm is told."""
    assignment = policy.assign(batch, budget * len(batch))
    courses, replayed = followed(policy, table, assignment)
    scores, costs = courses.standing(replayed.scores).mean(axis=1), courses.paid(replayed.costs).mean(axis=1)
    if policy.probe is not None:  # taken whatever was chosen
        costs = costs + next(probe.costs for probe in table.probes if probe.name == policy.probe)
    return PathChoice(assignment.arms, assignment.expected, scores, costs)


def asked_of(arms: Sequence[Arm], table: Table, chosen: Ints) -> dict[str, float]:
    """On how many questions each arm of a table was asked, also as a stage of a cascade, means over replicates.

    Args:
        arms: what was chosen from.
        table: whose arms they are, or cascades of these.
        chosen: (questions,): numbers of `arms`, or `UNANSWERED`.
    """
    found: dict[str, float] = {}
    for number in np.unique(chosen[chosen != UNANSWERED]).tolist():
        arm, given = arms[number], np.flatnonzero(chosen == number)
        stages = [table.arm(stage.arm) for stage in arm.stages] or [table.arm(arm.name)]
        signs = stage_signs(table, arm) if arm.stages else None
        asking = np.ones((len(given), table.scores.shape[2]), bool)
        for count, column in enumerate(stages, 1):
            name = table.arms[column].name
            found[name] = found.get(name, 0.0) + float(asking.mean(axis=1).sum())
            if signs is not None:
                asking = asking & ~stops(arm.stages[:count], signs.take(range(count), given))
    return found


def pinned(policy: ArmPolicy, budget: float) -> ArmPolicy:
    """The policy with the way of planning that it has for a budget per question, whatever it is then given.

    A policy may plan in another way where a budget is a little lower. That is a choice between budgets that were set,
    not between questions that were drawn.
    """
    if isinstance(policy, Learned):
        return policy.model_copy(update={"schedule": _single(policy.schedule, budget)})
    if isinstance(policy, Sequential) and policy.ladder is not None:
        level = policy.level(budget)
        assert level is not None
        ladder = Ladder(budgets=np.zeros(1), members=(level.name,), spends=np.zeros(1))
        return Sequential(levels=policy.levels, ladder=ladder)
    if isinstance(policy, JointSafe):
        rung = min(int(np.searchsorted(policy.ladder.budgets, budget)), len(policy.ladder.budgets) - 1)
        one = {"budgets": policy.ladder.budgets[[rung]], "spends": policy.ladder.spends[[rung]]}
        return policy.model_copy(
            update={
                "ladder": Ladder(members=(policy.member(budget).name,), **one),
                "schedules": {name: _single(schedule, budget) for name, schedule in policy.schedules.items()},
                "joint": None if policy.joint is None else pinned(policy.joint, budget),
                "sequential": None if policy.sequential is None else pinned(policy.sequential, budget),
            }
        )
    return policy


def _single(schedule: Schedule, budget: float) -> Schedule:
    ways = tuple(schedule.ways(budget))
    return Schedule(budgets=np.zeros(len(ways)), choices=ways[::-1])


def anew(policy: ArmPolicy, table: Table, budget: float, drawn: Ints) -> tuple[float, float]:
    """Score and cost per question of a policy that chooses for a draw of questions as for any other batch."""
    part = table.take(drawn)
    choice = choice_of(pinned(policy, budget), part, part.batch(), budget)
    return float(choice.scores.mean()), float(choice.costs.mean())
