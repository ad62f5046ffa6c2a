"""The search as a whole: split, race, validate, and score on test under the hard cap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...budgets.books import MemoryStore
from ...budgets.cap import Cap
from ...errors import UsageError
from ...graphs.bounds import check_feasible
from ...graphs.code import code_of, codes_of
from ...graphs.graph import Graph
from ...graphs.judging import check_judge
from ...graphs.portal import in_sync
from ...graphs.result import Grader
from ...models.pool import Pool
from ...nodes.prompts import dialect_named
from ...records.protocols import StudyStore
from ...records.task import Task
from ...records.text import longest_bytes
from ...tasks.judge import Judge
from ...tasks.metrics import CheckedMetric, check_golds, resolve_metric
from ..analysis.target_score import checked_target
from ..policies.base import MakePolicy
from ..policies.registry import policies_named
from ..search.registry import MakeOptimizer, optimizer_named
from ..tables.value import checked_wrong_costs
from .policy_selection import POLICIES_COMPARED
from .report import StudyReport
from .reporter import Calling, Progress, Reporter, Silent
from .spec import StudySpec
from .study import Study

__all__ = ["optimize", "optimize_async"]

_FEWEST_TASKS = 30


async def optimize_async(
    graph: Graph,
    tasks: Sequence[Task],
    pool: Pool,
    *,
    cap: Cap,
    spend: float,
    target_score: float | None = None,
    store: StudyStore | None = None,
    seed: int = 0,
    metric: str | Grader = "auto",
    optimizer: str | MakeOptimizer = "racing",
    policies: Sequence[str | MakePolicy] = POLICIES_COMPARED,
    wrong_costs: float = 0.0,
    reporter: Reporter | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> StudyReport:
    """Finds the plans of a graph that score best for what they cost, and the policy to use under a cap.

    The tasks are split by hash into fit (50 %), validation (20 %) and test (30 %). Plans race on fit; the survivors
    are compared on validation. The plans that are worth most together become the arms of policies, which choose one
    for every task; policies are fitted on fit and compared on validation. The chosen policy, and the plans on the
    frontier, are scored on test, each as a batch under the hard cap. Started again with the same arguments and store,
    a study goes on where it stopped and pays for no settled call twice.

    Args:
        graph: the pipeline; its open knobs and optional edges are what is searched.
        tasks: the dev set, at least 30 tasks.
        pool: the models.
        cap: the ceiling for answering all of `tasks` (total), each task, or both.
        spend: the most that the search itself may pay, in the unit of the cap; hard as well.
        target_score: the other question: the smallest cap at which the mean score is at least that, see `find_target`.
            `cap` is then the most that may be spent; the answer is `report.target`, and the policy is set to it.
        store: where every call is kept; in memory when left out.
        seed: of the split, the order and the random plans.
        metric: its name, `module:function`, or a callable; "auto" takes what each task names. A `Judge` needs no gold
            answers; what it is paid counts against `spend`, and not against `cap`.
        optimizer: a name in `OPTIMIZERS`, `module:name`, or what makes one from a `ProblemSpec`, such as its class.
        policies: those to compare: names in `POLICIES`, `module:Class`, or classes; empty to leave this part out.
        wrong_costs: what a wrong answer costs policies, where a right one brings 1 and none brings 0. Above 0 they may
            withhold answers that are not sure enough, and are fitted and compared by values, see `valued`; plans are
            searched by their scores all the same.
        reporter: is told of what is known at the start, of the progress, and of the report.
        progress: is called with a `Progress` a few times a second, for example to draw a bar in a notebook.

    Raises:
        Infeasible: not even one run of the cheapest plan fits under the cap; nothing was called.
        SpendExhausted: most of the spend was lost on calls without a usable reply, and no run was answered.
        UsageError: too few tasks, or an argument that cannot be.
    """
    pool, cap = Pool.given(pool), Cap.given(cap)
    if len(tasks) < _FEWEST_TASKS:
        raise UsageError(f"optimize needs at least {_FEWEST_TASKS} tasks to split and compare, got {len(tasks)}")
    if len({task.task_id for task in tasks}) < len(tasks):
        raise UsageError("the dev set has the same task twice; remove the copies")
    scorer = resolve_metric(metric)
    if isinstance(scorer, Judge):
        check_judge(scorer, pool, dialect_named)
        resolve_metric(scorer.against)
    elif not any(task.gold or task.metadata for task in tasks):
        raise UsageError(
            "no task has a gold answer, so nothing can be graded; add them, or have a model grade by a rubric: "
            "metric=Judge(...), on the command line --judge MODEL --rubric FILE"
        )
    check_golds(tasks, metric)
    compared = policies_named(policies)
    if target_score is not None:
        target_score = checked_target(target_score)
        if not compared:
            raise UsageError("target_score needs policies, which are moved along budgets; name some, or leave it out")
    space = graph.space(pool)
    check_feasible(space, max(tasks, key=_length), pool, cap)
    make = optimizer_named(optimizer) if isinstance(optimizer, str) else optimizer
    spec = StudySpec(
        graph=graph,
        space=space,
        tasks=tuple(tasks),
        pool=pool,
        cap=cap,
        spend=spend,
        store=store or MemoryStore(),
        seed=seed,
        scorer=scorer,
        metric=scorer.identity if isinstance(scorer, Judge) else _named(metric),
        make_optimizer=make,
        optimizer=_named(optimizer),
        policies=compared,
        target_score=target_score,
        code=_code(graph, metric),
        wrong_costs=checked_wrong_costs(wrong_costs),
    )
    told = reporter or Silent()
    return await Study(spec, told if progress is None else Calling(progress, told)).run()


optimize = in_sync(optimize_async)
"""`optimize_async` for sync code, also where an event loop is running."""


def _named(given: str | Callable[..., object]) -> str:
    """The name of an argument for the study's identity: a callable counts as the place where it is defined."""
    if isinstance(given, str):
        return given
    return f"{given.__module__}:{getattr(given, '__qualname__', type(given).__qualname__)}"


def _code(graph: Graph, metric: str | Grader) -> Mapping[str, str]:
    """The code of the user's own kinds and functions, a change in which makes another study."""
    found, scorer = dict(codes_of(graph, load=True)), resolve_metric(metric)
    code = code_of(scorer.function if isinstance(scorer, CheckedMetric) else scorer)
    return found | {"metric": code} if code else found


def _length(task: Task) -> int:
    """Bytes of what a model may be shown; the longest task has the largest bound."""
    return sum(longest_bytes(text) for text in (task.question, task.instructions, *task.context))
