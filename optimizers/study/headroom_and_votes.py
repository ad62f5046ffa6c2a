"""What a study tells beyond its plans: what perfect nodes would add, and what other numbers of votes would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...graphs.plan import Plan
from ...graphs.resolved import Step, resolve
from ...graphs.result import Result
from ...graphs.run import Runner
from ...nodes.draws import Draws
from ...nodes.knob import most
from ...records.task import Task
from ...tasks.metrics import scores_answers
from ..analysis.headroom import Headroom, node_headroom
from ..analysis.vote_curves import MOST_DRAWS, Draw, recorded_draws, vote_curves
from ..search.measurement import Measurement
from .report import VotesReport
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
        None where that is not enough for a few tasks, or where the metric takes whole results: a node that makes no
        mistake has none.

    Raises:
        SpendExhausted: the account cannot pay for it.
    """
    if not scores_answers(spec.scorer, tasks):
        return None
    series = len(resolve(runner.space, chosen.plan).steps) + 1
    affordable = room / (_MARGIN * chosen.cost * series) if chosen.cost else _TASKS
    count = int(min(len(tasks), _TASKS, affordable))
    if count < min(len(tasks), _FEWEST):
        return None
    return await node_headroom(
        runner,
        tasks[:count],
        chosen.plan,
        spec.scorer,
        account=account,
        study_id=spec.study_id,
        finished=finished,
    )


def votes_of(spec: StudySpec, measured: Sequence[Measurement], tasks: Sequence[Task]) -> tuple[VotesReport, ...]:
    """What every number of samples and every stop rule would have scored, for each node that drew several.

    It is read off the runs of one plan, the one with most samples of the node, and of those the best.

    Args:
        spec: of the study.
        measured: plans on the fit part; those on too few tasks to tell anything are left out.
        tasks: of the fit part, in the common order.

    Returns:
        Nothing where the metric takes whole results, which single samples do not have.
    """
    if not scores_answers(spec.scorer, tasks):
        return ()
    fewest = min(len(tasks), _FEWEST)
    voting: dict[str, list[tuple[Measurement, Step, Draws]]] = {name: [] for name in spec.graph.nodes}
    for found in measured:
        if len(found.outcomes) >= fewest:
            for name, step in resolve(spec.space, found.plan).steps.items():
                draws = _several(step)
                if draws is not None:
                    voting[name].append((found, step, draws))
    told = [_votes_of(spec, name, plans, tasks, fewest) for name, plans in voting.items() if plans]
    return tuple(each for each in told if each is not None)


def _several(step: Step) -> Draws | None:
    """Its draws, where it is asked the whole question several times, and curves can be told of them."""
    draws = step.kind.draws(step.node) if step.split is None else None
    return draws if draws is not None and draws.curves and 1 < most(draws.number) <= MOST_DRAWS else None


def _votes_of(
    spec: StudySpec, name: str, plans: Sequence[tuple[Measurement, Step, Draws]], tasks: Sequence[Task], fewest: int
) -> VotesReport | None:
    found, step, way = max(
        plans, key=lambda each: (most(each[2].number), each[0].score, len(each[0].outcomes), each[0].plan.hash)
    )
    draws = _draws(spec, name, found.plan, tasks, way.numbers)
    if len(draws) < fewest:
        return None
    longest = min(len(task) for task in draws)
    draws = draws[: max(_FEWEST, min(_TASKS, _SETS >> longest))]
    depth = step.node.depth_at(step.kind.depth(step.node), spec.pool.card)
    return VotesReport(
        node=name,
        plan_hash=found.plan.hash,
        model=", ".join(step.models),
        style="" if depth is None else depth.label,
        tasks=len(draws),
        points=vote_curves(draws, vote=way.vote, stops=way.stops, form=way.form, seed=spec.seed),
    )


def _draws(spec: StudySpec, name: str, plan: Plan, tasks: Sequence[Task], numbers: int) -> list[tuple[Draw, ...]]:
    """By task in their order, those left out on which the node drew once or not at all."""
    runs = spec.runs(plan, "fit")
    found = recorded_draws(spec.store, runs, tasks, name, spec.scorer, spec.cap.unit, leave_out=True, numbers=numbers)
    return [found[task.task_id] for task in tasks if len(found.get(task.task_id, ())) > 1]
