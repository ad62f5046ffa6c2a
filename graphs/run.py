"""Runs tasks through a graph, each under a plan and an account of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Self
from uuid import uuid4

from ..budgets.cap import Cap, pick
from ..budgets.layered import LayeredLedger
from ..budgets.ledger import Ledger
from ..budgets.memory import MemoryLedger
from ..errors import CapReached, GraphError
from ..models.metered import MeteredCaller
from ..models.pool import Pool
from ..nodes.mcp_tools import servers_of
from ..nodes.prompts import dialect_named
from ..records.message import Message
from ..records.protocols import StudyStore
from ..records.rows import UNITS, AccountRow, Limit, Unit
from ..records.status import Status
from ..records.task import Task
from ..records.usage import ZERO, Amount
from ..tasks.judge import Judge
from .accounts import UNLIMITED, judge_account, left_on
from .blueprint import HasBlueprint
from .bounds import check_allowance
from .context import Services
from .direct import run_direct
from .finishing import Allowance, direct_call, fitting, output_of_graph
from .grading import graded, metric_of, score_of
from .judging import Grade, MeteredJudge, check_judge
from .outcome import result_of, row_of
from .plan import Plan
from .prepared import PreparedPlans
from .result import Engine, Grader, Metric, Result
from .session import RunSession
from .space import Space
from .state import OUT, TASK

__all__ = ["Runner"]

_WITHIN_SESSION: ContextVar[bool] = ContextVar("apportion_within_session", default=False)
"""Whether this task holds a session open: a run that it begins meanwhile must not wait for that session's end."""


@dataclass(slots=True)
class _Run:
    """A session with what its row needs."""

    session: RunSession
    parent_id: str
    """The account above the run's own."""
    trial_id: str | None
    metric: Metric | MeteredJudge | None
    started: float
    allowance: Allowance | None = None
    grade: Grade | None = None
    """By a metric that has been waited for."""
    grading: bool = False
    """Whether a metric is waited for, or failed: the answer is there, and its score is not."""


class Runner:
    """Runs tasks through one graph with one pool and one store; an async context manager.

    It opens what nodes keep between runs once, compiles each shape of the graph once, and admits a bounded number of
    runs at a time. Accounts of runs are in memory; their parents are on the store's books.

    Args:
        graph: a valid graph.
        pool: the models.
        store: where accounts, replies and traces are kept.
        at_once: how many runs are in progress at a time; more than about 200 slow each other down.
    """

    def __init__(self, graph: HasBlueprint, pool: Pool, store: StudyStore, *, at_once: int = 128) -> None:
        self.graph = graph.blueprint
        self.pool = pool
        self.store = store
        servers = (server for node in self.graph.nodes.values() for server in servers_of(node))
        store.conceal([*pool.secrets, *(secret for server in servers for secret in server.secrets)])
        self.space = Space(self.graph, pool)
        self._output = output_of_graph(self.graph)
        self._at_once = asyncio.Semaphore(at_once)
        self._books = store if isinstance(store, MemoryLedger) else LayeredLedger(store)
        self._ledger = Ledger(self._books, store.owner)
        self._opened = ExitStack()
        self._plans = PreparedPlans(self.space, store)
        self._accounts: dict[str, AccountRow] = {}
        self._root = f"runner-{uuid4().hex}"
        caller = MeteredCaller(pool, self._ledger, store, facts=store)
        self._services = Services(pool, caller, lru_cache(dialect_named), {}, self._left)

    async def __aenter__(self) -> Self:
        resources = {}
        for name, node in self.graph.nodes.items():
            opened = self.graph.kinds[node.kind].open
            if opened is not None:
                resources[name] = self._opened.enter_context(opened(node))
        self._services = replace(self._services, resources=resources)
        # Nobody asks what all runs were charged, so that replies from the cache need not be booked there.
        self.open_account(AccountRow(self._root, measure="paid", label=f"runs of graph {self.graph.name}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._opened.close()

    def beside(self, graph: HasBlueprint) -> Runner:
        """A runner of another graph with the same pool, store, accounts and bound on runs in progress.

        It is entered and left on its own, within this one.
        """
        other = Runner(graph, self.pool, self.store)
        other._at_once, other._books, other._ledger = self._at_once, self._books, self._ledger
        other._accounts = self._accounts
        other._services = replace(self._services, resources={})
        return other

    @property
    def caller(self) -> MeteredCaller:
        """The way to the models, for what is not a node, such as a judge."""
        return self._services.caller

    @property
    def ledger(self) -> Ledger:
        """The accounts, those of runs in progress included."""
        return self._ledger

    def open_account(self, account: AccountRow) -> str:
        """Opens an account on the store's books under which runs can be charged, and returns its id.

        Raises:
            UnknownName: its parent was not opened here.
            UsageError: it exists with other terms.
        """
        self._books.open_shared(account)
        self._accounts[account.account_id] = account
        return account.account_id

    def judge(self, judge: Judge, account_id: str, run_id: str) -> MeteredJudge:
        """A judge for the answer of a run, charged to an account of its own beside the runs below one that was opened.

        Raises:
            UnknownName, UsageError: its model is not in the pool, or cannot grade.
        """
        check_judge(judge, self.pool, self._services.dialect)
        account = judge_account(account_id, self._accounts)
        calls = AccountRow(f"{account.account_id}/calls", account.account_id, None, "charged", "judge")
        if calls.account_id not in self._accounts:
            self.open_account(account)
            self._books.open_account(calls)
            self._accounts[calls.account_id] = calls
        return MeteredJudge(judge, self.caller, self.store, calls.account_id, run_id)

    def allowance(self, task: Task, unit: Unit) -> Amount:
        """What a capped run of the task holds from its start, so that it can end with an answer."""
        bound = direct_call(task, self.pool, self._services.dialect, unit, output=self._output)[1]
        return ZERO if self.graph.unbounded else bound

    async def run(
        self,
        task: Task,
        plan: Plan,
        *,
        parent_account: str | None = None,
        cap: Cap | None = None,
        trial_id: str | None = None,
        metric: Grader | None = None,
        engine: Engine = "langgraph",
        seed: int = 0,
        output_cap: int | None = None,
    ) -> Result:
        """Runs a task under a plan.

        There is always a result: where a cap is reached, the best answer so far, else a direct answer that was held
        for at the start, else a status that says so.

        Args:
            task: what is asked.
            plan: of this graph.
            parent_account: opened by `open_account`; the run's account lies below it.
            cap: `per_task` limits the run; with any cap the run holds a finishing allowance from its start.
            trial_id: the trial that the run belongs to.
            metric: scores the answer. The verdict of a `Judge` is charged to an account of its own under the nearest
                account above the run that measures what is paid, else under the topmost.
            engine: "direct" does without LangGraph and gives the same result for a fraction of its cost per node, see
                `direct`.
            seed: runs that differ in it are replicates: the same requests, other draws. What is asked at temperature 0
                they share.
            output_cap: the most tokens that any call may write, so that a run fits where its bound would not.

        Raises:
            PlanError, UnknownName: the plan does not belong to the graph, or there is no such account.
            UsageError: it needs an allowance, see `check_allowance`.
            BudgetBreach: a model charged more than its reservation.
            NodeFailed: the code of a node failed otherwise.
        """
        async with self._at_once:
            async with self._running(task, plan, parent_account, cap, trial_id, metric, seed, output_cap) as run:
                if not run.session.capped:
                    await self._invoke(run.session, engine)
            if run.session.result is None:
                raise GraphError("a run ended without a result")
            return run.session.result

    @asynccontextmanager
    async def session(
        self,
        task: Task,
        plan: Plan,
        *,
        parent_account: str | None = None,
        cap: Cap | None = None,
        trial_id: str | None = None,
        seed: int = 0,
    ) -> AsyncIterator[RunSession]:
        """The context for one invocation of a graph's `to_langgraph` within another LangGraph app.

        For example::

            app = graph.to_langgraph(plan, pool).compile()
            async with Runner(graph, pool, store) as runner, runner.session(task, plan) as session:
                state = await app.ainvoke({"task": task}, context=session)

        The run is on the books, and its outcome is in `session.result`, when the block has ended. Where a cap was
        reached, that is the answer to use. Arguments and errors are those of `run`.
        """
        async with self._running(task, plan, parent_account, cap, trial_id, None, seed) as run:
            before = _WITHIN_SESSION.get()
            _WITHIN_SESSION.set(True)
            try:
                yield run.session
            finally:
                _WITHIN_SESSION.set(before)

    @asynccontextmanager
    async def _running(
        self,
        task: Task,
        plan: Plan,
        parent: str | None,
        cap: Cap | None,
        trial_id: str | None,
        metric: Grader | None,
        seed: int,
        output_cap: int | None = None,
    ) -> AsyncIterator[_Run]:
        check_allowance(self.graph, cap)
        prepared = self._plans.of(plan)
        run_id, parent_id = uuid4().hex, parent or self._root
        judged = self.judge(metric, parent_id, run_id) if isinstance(metric, Judge) else metric_of(metric)
        account_id = self._open_run(run_id, parent_id, None if cap is None else cap.task_limit())
        resolved, channels = prepared.resolved, prepared.channels(task)
        session = RunSession(run_id, account_id, task, resolved, self._services, self.store, channels, seed, output_cap)
        run = _Run(session, parent_id, trial_id, judged, time.time())
        message, reason = Message(status=Status.CANCELLED, reason="the run was cancelled"), "cancelled"
        try:
            await self._hold(run, cap)
            yield run
            if session.problem is None:
                message, reason = await session.finish(run.allowance), "budget" if session.capped else "complete"
                if session.capped:
                    message = fitting(self._output, message)
                self._release(run)
                so_far = partial(self._result, run, message, reason, Grade(None))
                run.grading = True
                run.grade = await graded(run.metric, task, message, so_far)
                run.grading = False
        except asyncio.CancelledError:
            reason = "cancelled"
            raise
        except Exception:
            reason = "error"
            if not run.grading:
                message = Message(status=Status.UNKNOWN, reason="the run failed")
            raise
        finally:
            if session.problem is not None:
                message, reason = session.ended()
            self._release(run)
            self._close_run(account_id)
            session.result = self._finished(run, message, reason)
        if session.problem is not None:
            raise session.problem

    async def _invoke(self, session: RunSession, engine: Engine) -> None:
        prepared = self._plans.of(session.resolved.plan)
        if engine == "direct":
            await run_direct(prepared.schedule, session, session.task)
            return
        compiled = self._plans.compiled(prepared.resolved.active)
        state = await compiled.ainvoke({TASK: session.task}, prepared.config, context=session)
        if OUT not in state:
            raise GraphError(f"graph {self.graph.name!r} ended before its final node {session.final_node!r} ran")

    async def _hold(self, run: _Run, cap: Cap | None) -> None:
        """Holds the finishing allowance; where it does not fit, the run has met its cap before it began."""
        if cap is None or self.graph.unbounded:  # an app is told what does not fit, and answers as it likes
            return
        session = run.session
        request, bound = direct_call(
            session.task, self.pool, self._services.dialect, cap.unit, session.output_cap, output=self._output
        )
        try:
            reservation_id = await self._ledger.hold(
                session.account_id, bound, for_allowances=not _WITHIN_SESSION.get()
            )
        except CapReached as reached:
            session.short(reached)
        else:
            run.allowance = Allowance(reservation_id, request)
        left = self._left(session.account_id)
        if left is not None:
            session.begins_with({unit: pick(left, unit) for unit in UNITS if pick(left, unit) != UNLIMITED})

    def _release(self, run: _Run) -> None:
        """Gives the finishing allowance back, so that a verdict may have its room."""
        if run.allowance is not None:
            self._ledger.release(run.allowance.reservation_id)
            run.allowance = None

    def _finished(self, run: _Run, message: Message, reason: str) -> Result:
        """Books the run."""
        session = run.session
        if run.grading:  # asked a second time, a metric would hold up the loop, or hide why the run ends
            return self._book(run, message, reason, Grade(None))
        try:
            grade = run.grade or Grade(score_of(run.metric, session.task, message))
        except Exception:
            self._book(run, message, "error", Grade(None))
            raise
        return self._book(run, message, reason, grade)

    def _book(self, run: _Run, message: Message, reason: str, grade: Grade) -> Result:
        result = self._result(run, message, reason, grade)
        row = row_of(result, run.session, run.parent_id, run.trial_id, run.started)
        self.store.record(row)
        return result

    def _result(self, run: _Run, message: Message, reason: str, grade: Grade) -> Result:
        return result_of(run.session, self._plans.task_id(run.session.task), message, reason, grade)

    def _open_run(self, run_id: str, parent: str, limit: Limit | None) -> str:
        account = AccountRow(f"run-{run_id}", parent, limit, "charged", "run")
        self._books.open_account(account)
        self._accounts[account.account_id] = account
        return account.account_id

    def _close_run(self, account_id: str) -> None:
        """Forgets the run's account; a cancelled call below it that has yet to settle still can."""
        self._books.close_account(account_id)
        del self._accounts[account_id]

    def _left(self, account_id: str) -> Amount | None:
        return left_on(account_id, self._accounts, self._ledger)
