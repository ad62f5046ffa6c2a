"""Giving 100,000 questions one of 56 arms each: seconds, distance from the best that is possible, and memory."""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from apportion.optimizers.arrays import Floats
from apportion.optimizers.tables.knapsack import allocate, price_for, upper_bound

QUESTIONS = 100_000
ARMS = 56
SHARES = (0.02, 0.1, 0.3)
"""Of the way from the cheapest arm for everybody to the dearest, as budgets."""


def main() -> None:
    """Runs the benchmark and prints its figures."""
    values, costs = problem()
    least, most = float(costs.min(axis=1).sum()), float(costs.max(axis=1).sum())
    print(f"{QUESTIONS:,} questions, {ARMS} arms")
    for share in SHARES:
        budget = least + share * (most - least)
        began, worked = time.perf_counter(), time.process_time()
        chosen = allocate(values, costs, budget)
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        everyone = np.arange(QUESTIONS)
        value, spent = float(values[everyone, chosen].sum()), float(costs[everyone, chosen].sum())
        bound = upper_bound(values, costs, budget)
        print(f"budget of {budget / QUESTIONS:,.0f} a question")
        print(f"  {'seconds, to be at most 5':<44} {seconds:,.2f} ({processor:,.2f} of the processor)")
        print(f"  {'gap to the linear bound, to be at most 1e-4':<44} {(bound - value) / bound:.1e}")
        print(f"  {'spent of the budget':<44} {spent / budget:.6f}")
        print(f"  {'price of one unit of cost, in score':<44} {price_for(values, costs, budget):.2e}")
    print(f"{'peak memory, MB, to be below 1,000':<46} {peak_megabytes():,.0f}")


def problem() -> tuple[Floats, Floats]:
    """Scores that rise with what an arm costs, differently for every question, and cross."""
    draws = np.random.default_rng(0)
    costs = np.exp(draws.normal(6, 1, (1, ARMS))) * np.exp(draws.normal(0, 0.3, (QUESTIONS, ARMS)))
    values = np.log(costs) - 6 + draws.normal(0, 1, (QUESTIONS, 1)) + draws.normal(0, 1, (QUESTIONS, ARMS))
    return 1 / (1 + np.exp(-values)), costs


def peak_megabytes() -> float:
    """The most memory that this process has held, making the problem included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
