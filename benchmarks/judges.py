"""What a judge's verdicts are worth: 300 answers whose quality is planted, and a scripted judge whose marks are noisy.

It prints the rank correlation of scores with the plant by votes, their variance beside what n draws should leave of it,
what a second run pays, what the controls find of a judge with two planted biases, and what a study pays, verdicts
included, under spends that stop it in the middle.

Run it with `python -m benchmarks.judges`. It exits with 1 where a second run pays, a spend is passed, or votes leave
another share of the variance than they should.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import spearmanr

from apportion import Cap, Graph, Judge, Pool, Prompt, Solver, Task, choose
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.optimizers.study.optimize import optimize_async
from apportion.testing.scripted import ScriptedModel

ANSWERS = 300
NOISE = 1.5
"""The standard deviation of a mark, on a scale of 10."""
VOTES = (1, 2, 4, 8, 16)
SPENDS = (2_000, 10_000, 40_000, 100_000)
CARD = ModelCard(name="m", provider="scripted", max_output_tokens=256, attempts=1)
RUBRIC = Prompt("Grade the essay.\n{question}\n{answer}\n{format}", name="essay")
TASKS = [Task(question=f"Write essay {number}.") for number in range(ANSWERS)]


def quality(number: int) -> float:
    """Of an essay: what is planted, far enough from the ends of the scale that noise is not cut."""
    return random.Random(number).uniform(0.3, 0.7)


def write(request: Request) -> str:
    """An essay that holds its quality, at a length of its own."""
    number = int(re.findall(r"essay (\d+)", request.messages[-1].content)[-1])
    return f"Answer: This essay is worth {quality(number):.3f}{' indeed' * (number % 7)}."


def grade(noise: float, *, length: float = 0.0, order: float = 0.0) -> Callable[[Request], str]:
    """A judge whose mark is the quality, noise, so much for padding, and so much for a scale told in reverse."""

    def script(request: Request) -> str:
        asked = request.messages[-1].content
        drawn = random.Random(repr((asked, request.sample))).gauss(0, noise)
        bias = length * ("only make it longer" in asked) + order * ("0 (worst)>" in asked)
        mark = 10 * float(re.findall(r"worth (\d\.\d+)", asked)[-1]) + drawn + bias
        return f"I have read it.\nScore: {min(10.0, max(0.0, mark)):.3f}"

    return script


async def scores(judge: Judge, grader: ScriptedModel, store: MemoryStore) -> np.ndarray:
    """Of all answers."""
    pool = Pool([ScriptedModel(write, name="writer", card=CARD), grader])
    graph = Graph("essays").add("write", Solver(model="writer", style="direct", temperature=0.0, max_output_tokens=96))
    async with Runner(graph, pool, store) as runner:
        plan = runner.space.default()
        found = await asyncio.gather(*(runner.run(task, plan, metric=judge, engine="direct") for task in TASKS))
    return np.array([result.score for result in found], np.float64)


async def votes() -> bool:
    """Prints what votes do; whether all is as it should be."""
    planted = np.array([quality(number) for number in range(ANSWERS)])
    print(f"{ANSWERS} answers, marks with a deviation of {NOISE} of 10")
    print("votes  correlation  variance  of one vote's  should be  second run pays")
    one, fine = 0.0, True
    for count in VOTES:
        grader, store = ScriptedModel(grade(NOISE), name="grader", card=CARD), MemoryStore()
        judge = Judge("grader", RUBRIC, votes=count)
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


async def study(spend: float, script: Callable[[Request], str], tasks: Sequence[Task]) -> bool:
    """Prints a study under a spend; whether it held."""
    models = [
        ScriptedModel(write, name="writer", card=CARD),
        ScriptedModel(lambda request: "Answer: Nothing is worth 0.100.", name="idler", card=CARD),
        ScriptedModel(script, name="grader", card=CARD),
    ]
    graph = Graph("essays")
    graph.add("write", Solver(model=choose("writer", "idler"), style="direct", max_output_tokens=choose(64, 96)))
    store = MemoryStore()
    report = await optimize_async(
        graph, tasks, Pool(models), cap=Cap(total=1e6), spend=spend, store=store, metric=Judge("grader", RUBRIC)
    )
    judge = report.judge
    assert judge is not None
    paid = store.balance(f"study/{report.study_id}").paid.tokens
    sent = [len(model.requests) for model in models]
    told = "; ".join(
        f"{each.control} {each.shift.mean:+.3f} ({each.shift.low:+.3f} to {each.shift.high:+.3f})"
        for each in judge.controls
        if each.shift is not None
    )
    ended = "early" if report.stopped_early else "no"
    print(f"{spend:9,.0f}  {paid:9,}  {judge.paid:9,.0f}  {sum(sent[:2]):5d}  {sent[2]:8d}  {ended:7}  {told}")
    return paid <= spend


async def main() -> int:
    """Runs the benchmark; 1 where something is not as it should be."""
    fine = await votes()
    print("\n    spend       paid   to judge  calls  verdicts  stopped  controls, share of the scale")
    for spend in SPENDS:
        fine &= await study(spend, grade(NOISE), TASKS[:120])
    print("marks with a deviation of .5, .8 higher for padding and .5 lower for a scale told in reverse")
    fine &= await study(10 * SPENDS[-1], grade(0.5, length=0.8, order=-0.5), TASKS[:120])
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
