"""What a judge's verdicts are worth: 300 answers whose quality is planted, and a scripted judge whose marks are noisy.

It prints the rank correlation of scores with the plant by votes, their variance beside what n draws should leave of it,
what a second run pays, what the controls find of a judge with two planted biases, and what a study pays, verdicts
included, under spends that stop it in the middle.

Run it with `python -m benchmarks.judges`. It exits with 1 where a second run pays, a spend is passed, or votes leave
another share of the variance than they should.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from apportion import Graph, Judge, Pool, Solver, Task
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.models.request import Request
from apportion.testing.essays import ESSAY_CARD, ESSAY_JUDGE, Essays, essay_judge, essay_quality, essay_writer
from apportion.testing.scripted import ScriptedModel

ANSWERS = 300
NOISE = 1.5
"""The standard deviation of a mark, on a scale of 10."""
VOTES = (1, 2, 4, 8, 16)
SPENDS = (2_000, 10_000, 40_000, 100_000)
TASKS = [Task(question=f"Write essay {number}.") for number in range(ANSWERS)]


async def scores(judge: Judge, grader: ScriptedModel, store: MemoryStore) -> np.ndarray:
    """Of all answers."""
    pool = Pool([ScriptedModel(essay_writer(), name="writer", card=ESSAY_CARD), grader])
    graph = Graph("essays").add("write", Solver(model="writer", style="direct", temperature=0.0, max_output_tokens=64))
    async with Runner(graph, pool, store) as runner:
        plan = runner.space.default()
        found = await asyncio.gather(*(runner.run(task, plan, metric=judge, engine="direct") for task in TASKS))
    return np.array([result.score for result in found], np.float64)


async def votes() -> bool:
    """Prints what votes do; whether all is as it should be."""
    planted = np.array([essay_quality(number) for number in range(ANSWERS)])
    print(f"{ANSWERS} answers, marks with a deviation of {NOISE} of 10")
    print("votes  correlation  variance  of one vote's  should be  second run pays")
    one, fine = 0.0, True
    for count in VOTES:
        grader, store = ScriptedModel(essay_judge(NOISE), name="grader", card=ESSAY_CARD), MemoryStore()
        judge = replace(ESSAY_JUDGE, votes=count)
        first = await scores(judge, grader, store)
        before = len(grader.requests)
        again = await scores(judge, grader, store)
        paid = len(grader.requests) - before
        variance = float(((first - planted) ** 2).mean())
        one = one or variance
        fine &= not paid and bool((first == again).all()) and abs(variance / one * count - 1) < 0.3
        rank = float(spearmanr(first, planted).statistic)
        print(f"{count:5d}  {rank:11.3f}  {variance:8.5f}  {variance / one:13.3f}  {1 / count:9.3f}  {paid:15d}")
    return fine


def study(spend: float, script: Callable[[Request], str]) -> bool:
    """Prints a study under a spend; whether it held."""
    essays, store = Essays(script), MemoryStore()
    report = essays.optimize(spend=spend, store=store)
    judge = report.judge
    assert judge is not None
    paid = store.balance(f"study/{report.study_id}").paid.tokens
    verdicts = len(essays.judge.requests)
    told = "; ".join(
        f"{each.control} {each.shift.mean:+.3f} ({each.shift.low:+.3f} to {each.shift.high:+.3f})"
        for each in judge.controls
        if each.shift is not None
    )
    ended, others = "early" if report.stopped_early else "no", essays.requests - verdicts
    print(f"{spend:9,.0f}  {paid:9,}  {judge.paid:9,.0f}  {others:5d}  {verdicts:8d}  {ended:7}  {told}")
    return paid <= spend


def main() -> int:
    """Runs the benchmark; 1 where something is not as it should be."""
    fine = asyncio.run(votes())
    print("\n    spend       paid   to judge  calls  verdicts  stopped  controls, share of the scale")
    for spend in SPENDS:
        fine &= study(spend, essay_judge(NOISE))
    print("marks with a deviation of .5, .8 higher for padding and .5 lower for a scale told in reverse")
    fine &= study(10 * SPENDS[-1], essay_judge(0.5, length=0.8, order=-0.5))
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
