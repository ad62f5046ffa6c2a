"""Node headroom: how much the score would rise if one node made no mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...errors import SpendExhausted, UsageError
from ...graphs.blueprint import Blueprint
from ...graphs.plan import Plan
from ...graphs.resolved import Step, resolve
from ...graphs.result import Result
from ...graphs.run import Runner
from ...nodes.base import Context, Inputs, Node, Oracle, Scorer
from ...records.message import Message
from ...records.task import Task
from ..arrays import Floats
from ..bootstrap import Interval, mean_interval
from ..concurrency import in_turn
from ..finding import Finding

__all__ = ["Headroom", "node_headroom"]

_AT_ONCE = 128


class Headroom(Finding):
    """What a plan would score if one of its nodes made no mistake, wherever the task tells what the node should say."""

    node: str
    kind: str
    tasks: int
    known: int
    """On how many of them it is known what the node should have said; there that was put in its place."""
    score: float
    """Of the plan as it is, on these tasks."""
    with_gold: float
    gain: Interval
    """The difference, paired over all tasks; it can be negative, where the nodes behind it lived on its mistakes."""


async def node_headroom(
    runner: Runner,
    tasks: Sequence[Task],
    plan: Plan,
    scorer: Scorer,
    *,
    account: str | None = None,
    seed: int = 0,
    finished: Callable[[Result], None] | None = None,
) -> tuple[Headroom, ...]:
    """Replaces the output of one node after the other by that of its kind's oracle, and runs the rest as it is.

    An intervention shows what a node's mistakes cost the whole, which blame by reading a trace does not. What comes
    before the node and what is asked alike after it comes from the cache, so on runs that were made before only those
    calls are paid that read something new. The runs are on the books under trials named `headroom/NODE`.

    Args:
        runner: of the plan's graph, entered.
        tasks: each with a gold answer.
        plan: of this graph.
        scorer: the metric.
        account: pays for it; opened on the runner already.
        seed: of the runs' draws and of the intervals.
        finished: called after every run.

    Returns:
        The nodes of the plan whose output is known on at least one task, the largest gain first.

    Raises:
        UsageError: there are no tasks, or one cannot be graded.
        PlanError, UnknownName: the plan does not belong to the graph.
        SpendExhausted: the account cannot pay for it.
    """
    if not tasks:
        raise UsageError("headroom needs at least one task")
    series = partial(_scores, tasks=tasks, plan=plan, scorer=scorer, account=account, seed=seed, finished=finished)
    base = await series(runner, trial="headroom")
    found = []
    for name, step in resolve(runner.space, plan).steps.items():
        oracle = step.kind.oracle
        if oracle is None:
            continue
        replaced: set[str] = set()
        graph = _with_oracle(runner.graph, step, oracle, scorer, replaced)
        async with runner.beside(graph) as other:
            scores = await series(other, trial=f"headroom/{name}")
        if replaced:
            found.append(
                Headroom(
                    node=name,
                    kind=step.node.kind,
                    tasks=len(tasks),
                    known=len(replaced),
                    score=float(base.mean()),
                    with_gold=float(scores.mean()),
                    gain=mean_interval(scores - base, seed=seed),
                )
            )
    return tuple(sorted(found, key=lambda each: -each.gain.mean))


def _with_oracle(graph: Blueprint, step: Step, oracle: Oracle[Any], scorer: Scorer, replaced: set[str]) -> Blueprint:
    """The same graph, of the same hash, in which one node says what its oracle does; notes on which tasks it did."""
    kind, plain = step.kind, step.kind.run

    async def run(node: Node, inputs: Inputs, context: Context) -> Message:
        message = await oracle(node, inputs, context, scorer) if context.node == step.name else None
        if message is None:
            return await plain(node, inputs, context)
        replaced.add(inputs.task.task_id)
        context.record("gold")
        return message

    return replace(graph, kinds={**graph.kinds, kind.config.kind: replace(kind, run=run)})


async def _scores(
    runner: Runner,
    *,
    tasks: Sequence[Task],
    plan: Plan,
    scorer: Scorer,
    trial: str,
    account: str | None,
    seed: int,
    finished: Callable[[Result], None] | None,
) -> Floats:
    scores = np.zeros(len(tasks))

    async def one(place: int) -> None:
        result = await runner.run(
            tasks[place],
            plan,
            parent_account=account,
            trial_id=trial,
            metric=scorer,
            engine="direct",
            seed=seed,
        )
        if result.short_account:
            raise SpendExhausted(result.short_account)
        if result.score is None:
            raise UsageError(f"task {tasks[place].name or result.task_id!r} has no gold answer to grade by")
        scores[place] = result.score
        if finished is not None:
            finished(result)

    await in_turn((one(place) for place in range(len(tasks))), _AT_ONCE)
    return scores
