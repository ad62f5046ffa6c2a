"""One question through a graph, with all that it needs made for it."""

from __future__ import annotations

from uuid import uuid4

from ..budgets.books import MemoryStore
from ..budgets.cap import Cap
from ..models.pool import Pool
from ..records.protocols import StudyStore
from ..records.rows import AccountRow
from ..records.task import Task
from ..tasks.judge import Judge
from .blueprint import HasBlueprint
from .bounds import check_allowance, check_feasible
from .plan import Plan
from .result import Grader, Result
from .run import Runner
from .space import Space

__all__ = ["run_single"]


async def run_single(
    graph: HasBlueprint,
    task: Task | str,
    plan: Plan | None,
    pool: Pool,
    cap: Cap | None,
    store: StudyStore | None,
    metric: Grader | None,
) -> Result:
    """See `Graph.arun`."""
    task = Task.asking(task) if isinstance(task, str) else task
    space = Space(graph, pool)
    plan = space.default() if plan is None else space.canonical(plan)
    check_allowance(space.graph, cap)
    if cap is not None:
        check_feasible(space, task, pool, cap)
    # Books that cannot be written any more are told of by `flush` or `close` of whoever opened them: raised here, that
    # would take the answer away which was paid for.
    async with Runner(graph, pool, MemoryStore() if store is None else store) as runner:
        parent = None
        if cap is not None and (cap.total is not None or isinstance(metric, Judge)):
            # A judge is no part of the run, and yet the cap is all that this call may be charged.
            limits = [limit for limit in (cap.batch_limit(1, 1), cap.task_limit()) if limit is not None]
            limit = min(limits, key=lambda limit: limit.value)
            parent = runner.open_account(AccountRow(f"single-{uuid4().hex}", limit=limit))
        return await runner.run(task, plan, parent_account=parent, cap=cap, metric=metric)
