"""`clusters`: what is learned of templates by heart is seen through; where there is nothing to learn, nothing is lost.

Two planted truths, no model is called. By template: which of two arms is right hangs on the template of the question
alone, and each template has few questions, so that what is learned of one says nothing of another. Without signal: ten
sets of arms, whose chances are the same on every question.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from apportion.optimizers.analysis.gain import mixture_at
from apportion.optimizers.analysis.template_gain import template_gain
from apportion.optimizers.arrays import Floats
from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.prediction.text_counts import with_texts_counted
from apportion.optimizers.tables.split import lesson_from
from apportion.optimizers.tables.table import UNANSWERED, Arm, Lesson, Question, Table

_WORDS = (
    "anchor",
    "basket",
    "bridge",
    "button",
    "candle",
    "carpet",
    "castle",
    "copper",
    "doctor",
    "engine",
    "forest",
    "garden",
    "ladder",
    "market",
    "mirror",
    "needle",
    "orange",
    "pencil",
    "planet",
    "rabbit",
    "river",
    "saddle",
    "silver",
    "tunnel",
    "violin",
    "walnut",
    "window",
    "yellow",
    "zipper",
    "cellar",
    "harbor",
)
_POLICIES = ("joint", "joint_safe")
_MIXTURE = "static_mix"
_WORST = -0.5
"""Points below the mixture that are still no loss."""
_WORLDS = (
    ((0.5, 1.0), (0.5, 2.0)),
    ((0.3, 1.0), (0.6, 4.0)),
    ((0.55, 1.0), (0.6, 1.2)),
    ((0.2, 1.0), (0.4, 2.0), (0.6, 4.0), (0.7, 8.0)),
    ((0.4, 1.0), (0.5, 1.0), (0.6, 1.0)),
    ((0.8, 1.0), (0.82, 6.0), (0.9, 10.0)),
    ((0.1, 0.2), (0.3, 1.0), (0.35, 1.5), (0.8, 12.0)),
    ((0.5, 1.0), (0.4, 2.0), (0.6, 3.0), (0.3, 5.0)),
    ((0.62, 1.0), (0.6, 1.0), (0.61, 1.0), (0.6, 1.0)),
    ((0.25, 1.0), (0.5, 3.0), (0.6, 5.0), (0.62, 9.0), (0.7, 20.0)),
)
"""Of each arm the chance to be right and the cost."""
_BETWEEN = 0.45
"""Where the budget lies between the cheapest arm and the dearest, on a scale of ratios."""


@dataclass(frozen=True, slots=True)
class World:
    """A table with the chances that it was drawn from."""

    table: Table
    chances: Floats
    """(questions, arms)."""


def by_template(questions: int, each: int, seed: int) -> World:
    """Questions, so many to a template, with other numbers; on half of the templates the second arm is right."""
    generator = np.random.default_rng([seed, questions, each])
    templates = -(-questions // each)
    phrases = [" ".join(generator.choice(_WORDS, size=10)) for _ in range(templates)]
    second = generator.permutation(templates) % 2 == 0
    of = np.arange(questions) // each
    chances = np.where(second[of][:, None] == np.array([False, True]), 0.85, 0.35)
    numbers = generator.integers(10_000, size=questions)
    asked = tuple(Question(f"t{seed}-{n}", f"{phrases[of[n]]} {numbers[n]}?") for n in range(questions))
    return World(_drawn(asked, chances, np.array([1.0, 1.0]), generator), chances)


def without_signal(world: int, questions: int, seed: int) -> World:
    """Questions whose texts say nothing of what is right."""
    generator = np.random.default_rng([seed, world, questions])
    arms = np.array(_WORLDS[world])
    chances = np.tile(arms[:, 0], (questions, 1))
    asked = tuple(
        Question(f"w{seed}-{number}", " ".join(generator.choice(_WORDS, size=generator.integers(4, 12))))
        for number in range(questions)
    )
    return World(_drawn(asked, chances, arms[:, 1], generator), chances)


def _drawn(asked: tuple[Question, ...], chances: Floats, costs: Floats, generator: np.random.Generator) -> Table:
    scores = (generator.random(chances.shape) < chances).astype(np.float64)
    noise = np.exp(generator.normal(0, 0.1, chances.shape) - 0.005)
    arms = tuple(Arm(f"arm-{number}", (("solve", f"m{number}"),)) for number in range(len(costs)))
    return Table(asked, arms, scores[:, :, None], (costs * noise)[:, :, None])


def reached(policy: ArmPolicy, world: World, budget: float) -> tuple[float, float]:
    """Score and cost of a question, the score by chances, so that no luck of the draw is in it."""
    count = len(world.table.questions)
    chosen = policy.assign(world.table.batch(), budget * count).arms
    left, everyone = chosen == UNANSWERED, np.arange(count)
    score = np.where(left, 0.0, world.chances[everyone, chosen]).mean()
    return float(score), float(np.where(left, 0.0, world.table.mean_costs[everyone, chosen]).mean())


def ahead(policy: ArmPolicy, world: World, budget: float, mixture: ArmPolicy | None = None) -> tuple[float, float]:
    """Points by which a policy is above mixtures at its own cost: one that is learned, and the best in hindsight.

    Args:
        policy: what is judged.
        world: fresh questions.
        budget: for each.
        mixture: the learned one; the policy itself where left out.
    """
    score, cost = reached(policy, world, budget)
    known = Table(world.table.questions, world.table.arms, world.chances[:, :, None], world.table.costs)
    learned = score if mixture is None else reached(mixture, world, cost)[0]
    return 100 * (score - learned), 100 * (score - float(mixture_at(known, cost).mean()))


def template_part(questions: int, fresh: int) -> None:
    """Prints the gain by how questions are held out, and what policies reach on templates that nobody has seen."""
    print(
        f"by template: {questions} questions of 5 a template, two arms of one cost, tried on {fresh:,} fresh questions"
    )
    for seed in range(3):
        world, new = by_template(questions, 5, seed), by_template(fresh, 5, 1000 + seed)
        clustered = lesson_from(world.table, 1.1, seed=seed)
        found = template_gain([(clustered, None)], seed=seed)
        assert found is not None
        print(f"  seed {seed}: gain at random {_points(found.at_random)}, clusters together {_points(found.together)}")
        for told, lesson in (
            ("clusters together", clustered),
            ("at random", lesson_from(world.table, 1.1, seed=seed, together=False)),
        ):
            above = {name: ahead(policy, new, 1.1)[1] for name, policy in fit_all(_POLICIES, lesson).items()}
            print(f"    learned with folds {told}: " + ", ".join(f"{name} {to:+.2f}" for name, to in above.items()))


def signal_part(questions: int, fresh: int, seeds: int, workers: int) -> bool:
    """Prints how far policies are from mixing where nothing is to be learned of a question.

    The mixture that the same questions tell is the yardstick. The best one in hindsight is beside it: which arms are
    on its hull no policy can know, as their scores are known to some points only.
    """
    print(
        f"without signal: {questions} questions, {fresh:,} fresh ones, {seeds} seeds; points above the mixture learned"
    )
    print("  from the same questions, worst of the seeds; in brackets: above the best in hindsight, mean of the seeds")
    everything = [(world, seed, questions, fresh) for world in range(len(_WORLDS)) for seed in range(seeds)]
    with ProcessPoolExecutor(workers) as pool:
        found = np.array(list(pool.map(_one, everything, chunksize=seeds))).reshape(len(_WORLDS), seeds, -1, 2)
    names = (*_POLICIES, _MIXTURE)
    print(f"  {'world':<6} " + " ".join(f"{name:>16}" for name in names))
    for world, of_seeds in enumerate(found):
        cells = [f"{of_seeds[:, n, 0].min():+.2f} ({of_seeds[:, n, 1].mean():+.2f})" for n in range(len(names))]
        print(f"  {world:<6} " + " ".join(f"{cell:>16}" for cell in cells))
    worst = dict(zip(names, found[:, :, :, 0].min(axis=(0, 1)).tolist(), strict=True))
    print("  worst: " + ", ".join(f"{name} {worst[name]:+.2f}" for name in _POLICIES))
    return min(worst["joint"], worst["joint_safe"]) >= _WORST


@lru_cache(maxsize=1)
def _fresh(number: int, questions: int) -> World:
    found = without_signal(number, questions, 10_000)
    return World(with_texts_counted(found.table), found.chances)


def _one(which: tuple[int, int, int, int]) -> list[tuple[float, float]]:
    number, seed, questions, fresh = which
    world, new = without_signal(number, questions, seed), _fresh(number, fresh)
    costs = np.array(_WORLDS[number])[:, 1]
    budget = float(costs.min() * (costs.max() / costs.min()) ** _BETWEEN * 1.05)
    half = int(0.7 * questions)
    lesson = Lesson(world.table.take(np.arange(half)), world.table.take(np.arange(half, questions)), budget, seed)
    policies = fit_all((*_POLICIES, _MIXTURE), lesson)
    return [ahead(policy, new, budget, policies[_MIXTURE]) for policy in policies.values()]


def _points(found: Interval) -> str:
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def main() -> None:
    """Runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--fresh", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    began = time.perf_counter()
    template_part(given.questions, given.fresh)
    held = signal_part(given.questions, given.fresh, given.seeds, given.workers)
    print(f"{'held' if held else 'not held'}: no loss without signal; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
