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
from ...records.rows import TrialRow
from ...records.task import Task
from ...records.usage import ZERO
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
    study_id: str = "",
    seed: int = 0,
    finished: Callable[[Result], None] | None = None,
) -> tuple[Headroom, ...]:
    """Replaces the output of one node after the other by that of its kind's oracle, and runs the rest as it is.

    An intervention shows what a node's mistakes cost the whole, which blame by reading a trace does not. What comes
    before the node and what is asked alike after it comes from the cache, so on runs that were made before only those
    calls are paid that read something new. The runs are on the books under trials of the part "headroom".

    Args:
        runner: of the plan's graph, entered.
        tasks: each with a gold answer.
        plan: of this graph.
        scorer: the metric.
        account: pays for it; opened on the runner already.
        study_id: the study that the trials belong to, where there is one.
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
    series = partial(
        _scores,
        tasks=tasks,
        plan=plan,
        scorer=scorer,
        account=account,
        study_id=study_id,
        seed=seed,
        finished=finished,
    )
    steps = resolve(runner.space, plan).steps
    if all(step.kind.oracle is None for step in steps.values()):
        return ()
    base = await series(runner, node="")
    found = []
    for name, step in steps.items():
        oracle = step.kind.oracle
        if oracle is None:
            continue
        replaced: set[str] = set()
        graph = _with_oracle(runner.graph, step, oracle, scorer, replaced)
        async with runner.beside(graph) as other:
            scores = await series(other, node=name)
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
    node: str,
    account: str | None,
    study_id: str,
    seed: int,
    finished: Callable[[Result], None] | None,
) -> Floats:
    """Per task, with the node replaced, or none where its name is empty; under a trial of their own."""
    scores, results = np.zeros(len(tasks)), list[Result]()
    trial = "/".join(name for name in ("headroom", study_id, node) if name)
    row = TrialRow(trial, study_id, plan.hash, "headroom", 0, len(tasks), 0.0, 0.0, ZERO, ZERO, "running")
    runner.store.record(row)

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
        results.append(result)
        if finished is not None:
            finished(result)

    await in_turn((one(place) for place in range(len(tasks))), _AT_ONCE)
    ended = replace(
        row,
        score=float(scores.mean()),
        coverage=sum(not result.status.failed for result in results) / len(results),
        charged=sum((result.charged for result in results), ZERO),
        lost=sum((result.lost for result in results), ZERO),
        state="complete",
    )
    runner.store.record(ended)
    return scores
