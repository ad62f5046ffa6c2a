"""`python -m benchmarks.proof.calibration`: how often a gain shows in planted worlds where there is none.

In each world a policy is fitted on the arms of one model, and serves the test questions twice: with these arms, and
with a copy of them, other draws of the same chances. Texts tell nothing. So the two differ by luck alone, and an
interval of 95 % for their difference at equal cost should exclude 0 in one world of twenty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
import typer

from apportion.optimizers.frontier import hull
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.joint import JointUpFront
from apportion.optimizers.prediction.predictor import fit_predictor
from apportion.optimizers.tables.table import Lesson, Question, Table
from apportion.testing.planted import plant

from .draws import Resample, Statistic
from .equal_cost import at_cost, neighbours
from .paths import choice_of, path_of, statistics_of
from .processes import in_processes

__all__ = ["Sizes", "World", "by_cost", "by_scores", "differences", "main", "world_of"]

_BUDGET = 400.0
"""Per question: half of what the dearest arm costs, where gains have become small."""
_LADDER = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a world."""

    fit: int = 200
    validation: int = 100
    test: int = 4000
    draws: int = 300


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A policy, and the two copies of its arms."""

    policy: ArmPolicy
    own: Table
    """Test questions."""
    validation: Table
    """Of the copy, which is given the policy's names for its arms."""
    copy: Table
    """Test questions."""
    draws: int
    seed: int


Matched = Callable[[World, Statistic, Resample], Statistic]
"""The score of the copy at a cost."""


def world_of(seed: int, sizes: Sizes) -> World:
    """Plants a world and fits its policy."""
    learned = _silent(plant("clones", sizes.fit + sizes.validation, seed=2 * seed, hidden=1.0).table)
    test = _silent(plant("clones", sizes.test, seed=2 * seed + 1, hidden=1.0).table)
    half = len(test.arms) // 2
    fit = learned.with_arms(range(half)).take(np.arange(sizes.fit))
    validation = learned.take(np.arange(sizes.fit, sizes.fit + sizes.validation))
    lesson = Lesson(fit, validation.with_arms(range(half)), _BUDGET, seed)
    policy = JointUpFront.from_predictor(lesson, fit_predictor(lesson, head="clusters"))

    def copied(table: Table) -> Table:
        return replace(table.with_arms(range(half, 2 * half)), arms=policy.arms)

    return World(policy, test.with_arms(range(half)), copied(validation), copied(test), sizes.draws, seed)


def by_cost(world: World, cost: Statistic, resample: Resample) -> Statistic:
    """As the proof does it: on its own dial, by costs on the questions that are compared."""
    pair = neighbours(world.policy, world.copy, world.copy.batch(), _BUDGET, cost.estimate)
    return at_cost({"copy": pair}, cost, resample)["copy"]


def by_scores(world: World, cost: Statistic, resample: Resample) -> Statistic:
    """What the proof did before: the mixture that validation scores favour, moved along its slope to the cost."""
    costs = world.validation.mean_costs.mean(axis=0)
    budgets = np.append(np.geomspace(costs.min(), 1.2 * costs.max(), _LADDER), _BUDGET)
    tried = [choice_of(world.policy, world.validation, world.validation.batch(), float(b)) for b in budgets]
    costs, scores = (np.array([getattr(choice, name).mean() for choice in tried]) for name in ("costs", "scores"))
    corners = hull(costs, scores)
    right = int(np.clip(np.searchsorted(costs[corners], cost.estimate), 1, len(corners) - 1))
    low, high = corners[right - 1], corners[right]
    share = float(np.clip((cost.estimate - costs[low]) / (costs[high] - costs[low]), 0, 1))
    slope = float((scores[high] - scores[low]) / (costs[high] - costs[low]))
    pair = [choice_of(world.policy, world.copy, world.copy.batch(), float(budgets[each])) for each in (low, high)]
    dear = np.array([_uniform(question.name, world.seed) < share for question in world.copy.questions])
    columns = [np.where(dear, getattr(pair[1], name), getattr(pair[0], name)) for name in ("scores", "costs")]
    score, spent = Statistic.means(np.column_stack(columns), resample)
    return score + slope * (cost - spent)


WAYS: Mapping[str, Matched] = {"mixture chosen by validation scores": by_scores, "own dial, by cost": by_cost}


def differences(sizes: Sizes, seed: int) -> dict[str, Statistic]:
    """The policy minus its copy at equal cost in one world, by the way of making costs equal."""
    world = world_of(seed, sizes)
    resample = Resample(sizes.test, sizes.draws, 0)
    ((score, cost),) = statistics_of([path_of(world.policy, world.own, world.own.batch(), _BUDGET)], resample)
    return {name: score - way(world, cost, resample) for name, way in WAYS.items()}


def main(
    worlds: Annotated[int, typer.Option(help="How many worlds.", min=2)] = 200,
    test: Annotated[int, typer.Option(help="Test questions of a world.", min=100)] = Sizes().test,
    processes: Annotated[int, typer.Option(help="How many are at work at once.", min=1)] = 2,
) -> None:
    """Print in how many planted worlds an interval of 95 % excludes 0, where nothing is to be gained."""
    found = list(in_processes(partial(differences, Sizes(test=test)), range(worlds), processes))
    print(f"{worlds} worlds, {test} test questions; what is planted is a difference of 0 (points)")
    for name in WAYS:
        print(f"{name:36s} {_summary([each[name] for each in found])}")


def _summary(found: Sequence[Statistic]) -> str:
    intervals = [each.interval() for each in found]
    above, below = np.mean([each.low > 0 for each in intervals]), np.mean([each.high < 0 for each in intervals])
    values = 100 * np.array([each.estimate for each in found])
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"mean {values.mean():+.2f} (se {error:.2f}); above 0 in {100 * above:.1f} %, below in {100 * below:.1f} %"


def _silent(table: Table) -> Table:
    """Without anything that tells questions apart, or answers."""
    asked = tuple(Question(question.name, "a question") for question in table.questions)
    return replace(table, questions=asked, probes=(), confidences=None)


def _uniform(name: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


if __name__ == "__main__":
    typer.run(main)
