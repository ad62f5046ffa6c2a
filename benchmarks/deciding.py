"""`python -m benchmarks deciding`: how long a deployed policy takes to decide one question, among 32 plans.

What is timed is what `ainvoke` does beside the calls: the first arm, beside 200 reference questions, and after each
look what comes next. Times are of the processor, one thread, so that other work on the machine matters little.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from apportion import Graph, Pool, Solver, Task, choose
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.policies.sequences import TableReader
from apportion.optimizers.serving.policy import DeployedPolicy
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.table import Batch, Lesson, Question, Table
from apportion.testing.scripted import ScriptedModel

_MODELS = 4
_CAPS = (16, 24, 32, 48, 64, 96, 128, 192)
_POLICIES = ("static_mix", "cascade_by_family", "joint", "sequential", "joint_safe")
_WORDS = ["apple", "river", "stone", "cloud", "tiger", "lemon", "candle", "mirror", "violin", "harbor"]
_BUDGETS = (0.15, 0.4, 0.8)
"""Parts of the way from the cheapest to the dearest."""


def graph_and_pool() -> tuple[Graph, Pool]:
    """32 plans: four models, each under eight caps."""
    pool = Pool(ScriptedModel(lambda _: "Answer: yes", name=f"model{number}") for number in range(_MODELS))
    return Graph("deciding").add("solve", Solver(model="*", max_output_tokens=choose(*_CAPS))), pool


def table_of(count: int, seed: int) -> Table:
    """Questions of three families whose answers are right more often from dearer plans; some abstain."""
    graph, pool = graph_and_pool()
    space = graph.space(pool)
    pairs = [(number, cap) for number in range(_MODELS) for cap in _CAPS]
    plans = [space.plan({"solve.model": f"model{number}", "solve.max_output_tokens": cap}) for number, cap in pairs]
    draw = np.random.default_rng(seed)
    level = draw.integers(0, 10, count)
    texts = [f"{_WORDS[one]} {' '.join(draw.choice(_WORDS, 6))}?" for one in level]
    skill = np.array([0.9 * number + 0.4 * np.log2(cap) - 2 for number, cap in pairs])
    right = draw.random((count, len(plans))) < 1 / (1 + np.exp(-(skill - 0.4 * level[:, None])))
    silent = ~right & (draw.random(right.shape) < 0.4)
    said = np.where(silent, -1, np.where(right, 0, draw.integers(1, 5, right.shape)))
    costs = np.array([(1 + number) * cap for number, cap in pairs]) * draw.uniform(0.5, 1.2, right.shape)
    return Table(
        tuple(Question(f"{seed}-{i}", text, f"family{i % 3}") for i, text in enumerate(texts)),
        tuple(arm_of(plan, space) for plan in plans),
        right.astype(np.float64)[:, :, None],
        costs[:, :, None],
        answers=said[:, :, None],
        abstained=silent.astype(np.float64)[:, :, None],
    )


def decided(policy: DeployedPolicy, table: Table, reader: TableReader) -> tuple[list[float], list[float]]:
    """Milliseconds for each question of a table: its first arm, and all that comes after."""
    first, later = [], []
    for number, question in enumerate(table.questions):
        begin = time.thread_time()
        found = policy.decide(Batch((policy.question_of(Task(question=question.text, family=question.family)),)))
        middle = time.thread_time()
        reader.follow(number, 0, int(found.arms[0]), float(found.high[0]))
        first.append(1000 * (middle - begin))
        later.append(1000 * (time.thread_time() - middle))
    return first, later


def deployed(policy: ArmPolicy, lesson: Lesson, budget: float) -> DeployedPolicy:
    """A policy ready to decide single questions, beside 200 of the lesson."""
    graph, pool = graph_and_pool()
    return DeployedPolicy(graph, pool, policy, lesson.fit.batch(), budget=budget, others=lesson.fit.arms)


def main() -> None:
    """Prints medians and 95 % quantiles."""
    costs = (table := table_of(400, 1)).mean_costs.mean(axis=0)
    lesson = Lesson(table, table_of(120, 2), float(np.median(costs)))
    asked = table_of(100, 3)
    print(f"{len(table.arms)} plans, 200 reference questions, {len(asked.questions)} decisions each; milliseconds")
    print(f"{'policy':20}{'budget':>8}{'first arm':>11}{'95 %':>8}{'after looks':>13}{'95 %':>8}")
    for name, policy in fit_all(_POLICIES, lesson).items():
        reader = TableReader(policy, asked)
        for part in _BUDGETS:
            budget = float(costs.min() * (costs.max() / costs.min()) ** part)
            ready = deployed(policy, lesson, budget)
            decided(ready, asked.take(np.arange(5)), reader)
            first, later = decided(ready, asked, reader)
            print(f"{name:20}{budget:>8.0f}{_cells(first, 11)}{_cells(later, 13)}", flush=True)


def _cells(times: Sequence[float], width: int) -> str:
    return f"{np.median(times):>{width}.2f}{np.quantile(times, 0.95):>8.2f}"


if __name__ == "__main__":
    main()
