"""What a study tells beyond its plans: what perfect nodes would add, and what other numbers of votes would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...graphs.plan import Plan
from ...graphs.resolved import resolve
from ...graphs.result import Result
from ...graphs.run import Runner
from ...graphs.space import Space
from ...nodes.knob import most
from ...nodes.solver import Solver
from ...records.rows import RunRow
from ...records.task import Task
from ..analysis.headroom import node_headroom
from ..analysis.vote_curves import MOST_DRAWS, Draw, recorded_draws, vote_curves
from ..analysis.vote_curves import VotePoint as FoundPoint
from ..search.measurement import Measurement
from .report import Difference, Headroom, VotePoint, VotesReport
from .spec import StudySpec

__all__ = ["headroom_of", "votes_of"]

_TASKS = 200
"""On how many tasks either is told at most."""
_FEWEST = 24
_MARGIN = 1.5
"""Perfect nodes may make the nodes behind them dearer."""
_SETS = 100_000
"""How many sets of draws are looked at, over all tasks of a vote curve, as long as that leaves enough tasks."""


async def headroom_of(
    spec: StudySpec,
    runner: Runner,
    chosen: Measurement,
    tasks: Sequence[Task],
    *,
    account: str,
    room: float,
    finished: Callable[[Result], None],
) -> tuple[Headroom, ...] | None:
    """What the chosen plan would score on validation if one of its nodes made no mistake.

    Args:
        spec: of the study.
        runner: of its graph.
        chosen: the plan, measured on the tasks.
        tasks: of the validation part.
        account: pays for it.
        room: what may be charged; what was asked before is charged and not paid.
        finished: called after every run.

    Returns:
        None where that is not enough for a few tasks.

    Raises:
        SpendExhausted: the account cannot pay for it.
    """
    series = len(resolve(runner.space, chosen.plan).steps) + 1
    affordable = room / (_MARGIN * chosen.cost * series) if chosen.cost else _TASKS
    count = int(min(len(tasks), _TASKS, affordable))
    if count < min(len(tasks), _FEWEST):
        return None
    found = await node_headroom(runner, tasks[:count], chosen.plan, spec.scorer, account=account, finished=finished)
    return tuple(
        Headroom(
            node=each.node,
            kind=each.kind,
            tasks=count,
            known=each.known,
            score=each.score,
            with_gold=each.with_gold,
            gain=Difference(mean=each.gain.mean, low=each.gain.low, high=each.gain.high),
        )
        for each in found
    )


def votes_of(spec: StudySpec, measured: Sequence[Measurement], tasks: Sequence[Task]) -> tuple[VotesReport, ...]:
    """What every number of samples and every stop rule would have scored, for each solver that drew several.

    It is read off the runs of one plan, the one with most samples for the solver, and of those the best.

    Args:
        spec: of the study.
        measured: plans on the fit part, on at least as many tasks as it takes to tell anything.
        tasks: of the fit part, in the common order.
    """
    solvers = [name for name, node in spec.graph.nodes.items() if isinstance(node, Solver)]
    found = [_votes_of(spec, name, measured, tasks) for name in solvers]
    return tuple(each for each in found if each is not None)


def _votes_of(spec: StudySpec, name: str, measured: Sequence[Measurement], tasks: Sequence[Task]) -> VotesReport | None:
    fewest = min(len(tasks), _FEWEST)
    voting = [
        (solver, found)
        for found in measured
        if len(found.outcomes) >= fewest and (solver := _solver(spec.space, found.plan, name)) is not None
    ]
    if not voting:
        return None
    solver, found = max(
        voting, key=lambda each: (most(each[0].samples), each[1].score, len(each[1].outcomes), each[1].plan.hash)
    )
    draws = _draws(spec, name, found.plan, tasks)
    if len(draws) < fewest:
        return None
    longest = min(len(task) for task in draws)
    draws = draws[: max(_FEWEST, min(_TASKS, _SETS >> longest))]
    return VotesReport(
        node=name,
        plan_hash=found.plan.hash,
        model=solver.model if isinstance(solver.model, str) else "",
        style=str(solver.style),
        tasks=len(draws),
        points=tuple(_point(point, spec.seed) for point in vote_curves(draws, vote=solver.vote)),
    )


def _solver(space: Space, plan: Plan, name: str) -> Solver | None:
    """The solver as the plan runs it, where it is asked the whole question several times."""
    step = resolve(space, plan).steps.get(name)
    if step is None or step.split is not None or not isinstance(step.node, Solver):
        return None
    return step.node if 1 < most(step.node.samples) <= MOST_DRAWS else None


def _draws(spec: StudySpec, name: str, plan: Plan, tasks: Sequence[Task]) -> list[tuple[Draw, ...]]:
    """By task in their order, those left out on which the solver drew once or not at all."""
    found = recorded_draws(spec.store, _runs(spec, plan), name, spec.scorer, spec.cap.unit, leave_out=True)
    return [found[task.task_id] for task in tasks if len(found.get(task.task_id, ())) > 1]


def _runs(spec: StudySpec, plan: Plan) -> Iterator[RunRow]:
    spec.store.flush()
    for trial in spec.store.trials(spec.study_id):
        if (trial.plan_hash, trial.part) == (plan.hash, "fit"):
            yield from spec.store.runs(trial_id=trial.trial_id)


def _point(point: FoundPoint, seed: int) -> VotePoint:
    interval = point.interval(seed=seed)
    fixed = isinstance(point.samples, int)
    return VotePoint(
        least=point.samples if isinstance(point.samples, int) else point.samples.low,
        most=most(point.samples),
        stop=None if fixed else point.stop,
        score=interval.mean,
        low=interval.low,
        high=interval.high,
        cost=point.cost,
    )
