"""Which search finds the best plan, for how little: every optimizer on a grid on which the best plan is known.

The grid has all plans of a graph of embedded models on all tasks (`search_grid`); the first time it takes some minutes
to measure. Each optimizer may pay a tenth of what measuring the whole grid pays, and is replayed with 20 seeds under
three caps: the costs at which the best plan reaches 60, 80 and 95 % of the highest score, and a quarter more. Regret is
how many points the recommended plan scores below the best one that the cap allows, on the same tasks. A plan's calls
that another plan has made already are not paid again, neither in the grid's total nor by a search.

Run it with `python -m benchmarks.search [--seeds N] [NAME ...]`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from apportion.optimizers.arrays import Floats
from apportion.optimizers.bootstrap import mean_interval
from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.registry import OPTIMIZERS
from benchmarks.search_grid import Grid, load_grid
from benchmarks.search_replay import Found, search

_SHARE = 0.1
"""The part of the grid's paid cost that a search may pay."""
_LEVELS = (0.6, 0.8, 0.95)
_ROOM = 1.25
_HALVINGS = ((8, 6), (16, 6), (32, 6), (64, 6), (8, 12), (16, 12), (32, 12), (8, 24), (16, 24))
"""(plans, tasks) that plain halving may begin with; what did best over all seeds and caps is shown."""
_SEARCHES = ("racing", "tpe", "halving-plain", "random", "coordinate")


@dataclass(frozen=True, slots=True)
class Problem:
    """A cap, and the best that can be had under it."""

    affordable: float
    best: int
    """The number of the plan."""
    score: float
    """Of that plan."""


def problems(grid: Grid) -> list[Problem]:
    """The caps, from the tightest."""
    scores, costs = _means(grid)
    found = []
    for level in _LEVELS:
        affordable = _ROOM * float(costs[scores >= level * scores.max()].min())
        allowed = np.flatnonzero(costs <= affordable)
        best = int(allowed[np.lexsort((costs[allowed], -scores[allowed]))[0]])
        found.append(Problem(affordable, best, float(scores[best])))
    return found


def compare(grid: Grid, names: Sequence[str], seeds: int) -> Mapping[str, Floats]:
    """Prints a line for each optimizer; returns its regrets, in points, of shape (caps, seeds)."""
    spend = _SHARE * grid.paid
    caps = problems(grid)
    regrets: dict[str, Floats] = {}
    print(f"{'':16}" + "".join(f"{f'cap {p.affordable:,.0f}':>10}" for p in caps) + f"{'mean regret':>24}")
    for name in names:
        found = _best_halving(grid, caps, spend, seeds) if name == "halving-plain" else None
        found = found or [[_one(grid, OPTIMIZERS[name], p, s, spend) for s in range(seeds)] for p in caps]
        regrets[name] = np.array([[_regret(grid, p, f) for f in row] for p, row in zip(caps, found, strict=True)])
        by_seed = mean_interval(regrets[name].mean(axis=0))
        everything = [f for row in found for f in row]
        print(
            f"{name:16}"
            + "".join(f"{row.mean():>10.2f}" for row in regrets[name])
            + f"{f'{by_seed.mean:.2f} [{by_seed.low:.2f}, {by_seed.high:.2f}]':>24}"
            + f"   paid {np.mean([f.paid for f in everything]) / spend:.0%} of the spend"
            + f", {np.mean([f.plans for f in everything]):,.0f} plans"
            + f", {np.mean([f.runs for f in everything]):,.0f} runs",
            flush=True,
        )
    return regrets


def _one(
    grid: Grid,
    make: Callable[[ProblemSpec], Optimizer],
    problem: Problem,
    seed: int,
    spend: float,
    plans: int = 60,
    tasks: int = 24,
) -> Found:
    # Plans on all tasks are what random search spends on, so it is let draw as many as it can pay for.
    plans = len(grid.plans) if make is OPTIMIZERS["random"] else plans
    families = grid.families
    spec = ProblemSpec(
        grid.space, len(families), problem.affordable, plans, tasks, seed, spend=spend, families=families
    )
    return search(grid, make, spec, spend)


def _best_halving(grid: Grid, caps: Sequence[Problem], spend: float, seeds: int) -> list[list[Found]]:
    """Plain halving has to be told how to begin; it is shown at its best."""
    make = OPTIMIZERS["halving-plain"]
    tried = {
        begin: [[_one(grid, make, p, s, spend, *begin) for s in range(seeds)] for p in caps] for begin in _HALVINGS
    }
    means = {
        begin: float(np.mean([[_regret(grid, p, f) for f in row] for p, row in zip(caps, found, strict=True)]))
        for begin, found in tried.items()
    }
    best = min(means, key=lambda begin: means[begin])
    print(f"{'':16}halving-plain begins with {best[0]} plans on {best[1]} tasks, the best of {len(_HALVINGS)} ways")
    return tried[best]


def _regret(grid: Grid, problem: Problem, found: Found) -> float:
    """In points. Of a plan that is above the cap, the part counts that can be served until the cap is used up."""
    scores, costs = _means(grid)
    served = min(1.0, problem.affordable / float(costs[found.plan]))
    return 100 * (problem.score - served * float(scores[found.plan]))


def _means(grid: Grid) -> tuple[Floats, Floats]:
    """Scores and costs of all plans."""
    return grid.scores.mean(axis=1), grid.costs.mean(axis=1)


def main() -> None:
    """Prints the grid, the table of optimizers, and the differences to the yardsticks."""
    parser = argparse.ArgumentParser(description="Which search finds the best plan, for how little.")
    parser.add_argument("names", nargs="*", default=list(_SEARCHES), help="optimizers, by name")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--questions", choices=("published", "development"), default="published")
    given = parser.parse_args()
    grid = load_grid(given.questions)
    costs = _means(grid)[1]
    charged = float(grid.costs.sum())
    print(f"{len(grid.plans):,} plans on {len(grid.families)} tasks: charged {charged:,.0f}, paid {grid.paid:,.0f}")
    print(f"a search may pay {_SHARE:.0%} of that, {_SHARE * grid.paid:,.0f} weighted tokens")
    for problem in problems(grid):
        share = costs[problem.best] * len(grid.families) / (_SHARE * grid.paid)
        print(
            f"cap {problem.affordable:,.0f} a task: the best plan scores {problem.score:.1%} for "
            f"{costs[problem.best]:,.0f}; measuring it alone takes {share:.0%} of the spend"
        )
    regrets = compare(grid, given.names, given.seeds)
    for ours in ("racing", "tpe"):
        for other in regrets:
            if ours in regrets and other not in (ours, "tpe"):
                gain = mean_interval((regrets[other] - regrets[ours]).mean(axis=0))
                print(f"{ours} is better than {other} by {gain.mean:.2f} points [{gain.low:.2f}, {gain.high:.2f}]")


if __name__ == "__main__":
    main()
