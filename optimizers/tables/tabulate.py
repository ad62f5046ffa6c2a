"""Running every plan on every task, so that policies can learn from it and be compared on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...budgets.cap import Cap, in_unit
from ...errors import SpendExhausted, UsageError
from ...graphs.plan import Plan
from ...graphs.result import Metric, Result
from ...graphs.run import Runner
from ...records.rows import Unit
from ...records.task import Task
from ...tasks.clusters import task_clusters
from ..concurrency import in_turn
from .arms import arm_of
from .probes import take_probe
from .table import Table, answer_numbers, question_of

__all__ = ["tabulate"]

_AT_ONCE = 128
"""Runs in progress; more than about 200 slow each other down."""


async def tabulate(
    runner: Runner,
    plans: Sequence[Plan],
    tasks: Sequence[Task],
    scorer: Metric,
    *,
    replicates: int = 1,
    seed: int = 0,
    unit: Unit = "tokens",
    probes: Sequence[str] = (),
    account: str | None = None,
    cap: Cap | None = None,
    finished: Callable[[Result], None] | None = None,
) -> Table:
    """Runs every plan on every task, in replicates, and writes down what it scored and was charged.

    Replies come from the runner's store where it has them: what was settled before is charged and not paid again, and a
    tabulation that was stopped goes on by being started again. A run without an answer scores 0. The tasks are worked
    through in order, all plans of one before the next.

    Args:
        runner: of the graph that the plans belong to.
        plans: at least one; each becomes an arm, see `arm_of`.
        tasks: each needs a gold answer, or what its metric takes for one.
        scorer: the metric. An answer that a judge gave no verdict on scores 0, and counts as one that abstains: it is
            not known to be wrong.
        replicates: how often each plan meets each task, with other random draws; the first is the run that a search
            makes, seed for seed.
        seed: of the first replicate; the others follow.
        unit: of the costs.
        probes: names of probes to take of every task, see `probing`.
        account: pays for it; opened on the runner already. Nothing limits it where it is left out.
        cap: `per_task` limits each run, as it will where the arms serve; `total` is not looked at.
        finished: called after every run of a plan.

    Returns:
        A table whose arms are in the order of the plans and whose questions are in that of the tasks. How sure an arm
        was is the confidence of the candidate that the final node chose, NaN where it gave none. Answers are one where
        their normal forms are; a run that failed has none.

    Raises:
        SpendExhausted: the account cannot pay for it. What was settled stays settled.
        UsageError: no plans, no tasks, a task that cannot be graded, or no such probe.
        BudgetBreach, NodeFailed: as `Runner.run`.
    """
    if not plans or not tasks or replicates < 1:
        raise UsageError("a table needs at least one plan, one task and one replicate")
    arms = tuple(arm_of(plan, runner.space) for plan in plans)
    shape = (len(tasks), len(plans), replicates)
    scores, costs, sure = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
    money = np.zeros(shape) if runner.pool.costs_money else None
    own = None if cap is None or cap.per_task is None else Cap(per_task=cap.per_task, unit=cap.unit)
    short: list[str] = []
    said: dict[tuple[int, int, int], str] = {}
    abstained, thought, written = (np.zeros(shape) for _ in range(3))

    async def one(task: int, plan: int, replicate: int) -> None:
        if short:  # What is in progress may end, because most of it is paid already; nothing new begins.
            return
        result = await runner.run(
            tasks[task],
            plans[plan],
            parent_account=account,
            cap=own,
            metric=scorer,
            engine="direct",
            seed=seed + replicate,
        )
        if result.short_account not in ("", f"run-{result.run_id}"):
            short.append(result.short_account)
            return
        if result.score is None and not result.unscored:
            raise UsageError(f"task {tasks[task].name or tasks[task].task_id!r} has no gold answer to grade by")
        place = task, plan, replicate
        scores[place], costs[place] = result.score or 0.0, in_unit(result.charged, unit)
        if money is not None:
            money[place] = in_unit(result.charged, "usd")
        if not result.status.failed:
            said[place] = result.answer
            sure[place] = np.nan if result.confidence is None else result.confidence
            abstained[place] = result.abstained or bool(result.unscored)
        thought[place], written[place] = result.usage.reasoning_tokens, result.usage.output_tokens
        if finished is not None:
            finished(result)

    await in_turn((one(*place) for place in np.ndindex(*shape)), _AT_ONCE)
    if short:
        raise SpendExhausted(short[0])
    taken = [await take_probe(name, runner, tasks, unit=unit, seed=seed, account=account) for name in probes]
    questions = tuple(question_of(task) for task in tasks)
    known_sure = None if np.isnan(sure).all() else sure
    found = task_clusters(tasks)
    told = [[said.get((task, *cell)) for cell in np.ndindex(*shape[1:])] for task in range(shape[0])]
    return Table(
        questions,
        arms,
        scores,
        costs,
        unit,
        known_sure,
        tuple(taken),
        money=money,
        answers=answer_numbers(told).reshape(shape),
        abstained=abstained,
        thinking_tokens=thought,
        output_tokens=written,
        clusters=found.names if found.any else None,
    )
