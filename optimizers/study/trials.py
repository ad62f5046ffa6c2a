"""Measuring plans by running them, and booking each trial so that a stopped study can go on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from uuid import uuid4

from ...budgets.cap import Cap, in_unit
from ...errors import SpendExhausted, gravest
from ...graphs.finishing import output_of_graph
from ...graphs.gate import GateReading
from ...graphs.gating import traced_readings
from ...graphs.plan import Plan
from ...graphs.result import Engine, Result
from ...graphs.run import Runner
from ...nodes.outputs import says_nothing
from ...records.rows import AccountRow, RunRow, TrialRow
from ...records.status import Status
from ...records.task import Task
from ...records.usage import ZERO
from ...tasks.judge import Judge
from ..search.base import Proposal
from ..search.measurement import Measurement, Outcome
from .accounts import StudyAccounts
from .spec import StudySpec

__all__ = ["TrialEvaluator"]

_FAULTS = frozenset({Status.PROVIDER_ERROR, Status.TIMEOUT, Status.TOOL_ERROR, Status.CANCELLED})
"""Failures of a place and not of a plan: a study that goes on tries them again."""
_PAYING = {"fit": "search", "validation": "validation", "test": "test"}
"""By part: the phase whose account pays for it, where nobody says otherwise."""
_HELD_SHARE = 0.1
"""The part of a batch's cap that its runs in progress may hold as finishing allowances."""


class TrialEvaluator:
    """Runs plans on the parts of a dev set and keeps what it saw.

    Trials that the store holds as complete are read back instead of run, unless one of their runs ended in a failure
    of a place and not of the plan. On the test part each plan is served as a batch under the hard cap; on the others
    only the spend of the study and the cap per task limit it.

    Args:
        runner: runs a task under a plan.
        spec: of the study that the trials belong to.
        parts: the tasks of each part, in the common order.
        accounts: of the study; what each phase may pay.
        finished: called after every run, with its outcome.
    """

    def __init__(
        self,
        runner: Runner,
        spec: StudySpec,
        parts: Mapping[str, Sequence[Task]],
        accounts: StudyAccounts,
        finished: Callable[[Outcome], None],
    ) -> None:
        self._runner = runner
        self._output = output_of_graph(runner.graph)
        self._study_id = spec.study_id
        self._account_id = accounts.whole
        self._accounts = {part: accounts.of(phase) for part, phase in _PAYING.items()}
        self._parts = parts
        self._everything = len(spec.tasks)
        self._cap = spec.cap
        self._scorer = spec.scorer
        self._judged = isinstance(spec.scorer, Judge)
        self._most_at_once = accounts.runs_at_once
        self._finished = finished
        self._measured: dict[tuple[str, str], Measurement] = {}
        self._interrupted: dict[str, Measurement] = {}
        self._booked = {row.trial_id: row for row in runner.store.trials(self._study_id)}

    def paying(self, part: str, account: str) -> TrialEvaluator:
        """The same evaluator, with what it has measured and will measure, but another account pays for a part."""
        other = copy(self)
        other._accounts = {**self._accounts, part: account}
        return other

    def measured(self, part: str) -> dict[str, Measurement]:
        """All measurements on a part so far, by the hash of the plan."""
        return {plan: m for (where, plan), m in self._measured.items() if where == part}

    @property
    def interrupted(self) -> dict[str, Measurement]:
        """What came of single runs of trials that the spend did not reach for, by the hash of the plan."""
        return dict(self._interrupted)

    async def measure(self, proposals: Sequence[Proposal], part: str) -> Sequence[Measurement]:
        """See `Evaluator.measure`."""
        exhausted: list[SpendExhausted] = []
        plans_at_once = asyncio.Semaphore(_plans_at_once(proposals, self._most_at_once))

        async def one(proposal: Proposal) -> Measurement | None:
            async with plans_at_once:
                if exhausted:
                    return None
                try:
                    return await self._measure(proposal, part)
                except SpendExhausted as found:
                    # The other plans in progress may finish: much of what they need is paid already.
                    exhausted.append(found)
                    return None

        try:
            async with asyncio.TaskGroup() as group:
                waiting = [group.create_task(one(proposal)) for proposal in proposals]
        except ExceptionGroup as problems:
            raise gravest(problems) from problems
        if exhausted:
            raise exhausted[0]
        return [measurement for task in waiting if (measurement := task.result()) is not None]

    async def _measure(self, proposal: Proposal, part: str) -> Measurement:
        known = self._measured.get((part, proposal.plan.hash))
        start = 0 if known is None else len(known.outcomes)
        if known is not None and start >= proposal.tasks:
            return known.first(proposal.tasks)
        tasks = self._parts[part][start : proposal.tasks]
        trial_id = _trial_id(self._study_id, part, proposal.plan, start, proposal.tasks)
        added = self._read_back(trial_id, proposal.plan, tasks)
        if added is None:
            added = await self._run(trial_id, proposal.plan, tasks, part, start)
        measurement = added if known is None else known.then(added)
        self._measured[part, proposal.plan.hash] = measurement
        return measurement

    def _read_back(self, trial_id: str, plan: Plan, tasks: Sequence[Task]) -> Measurement | None:
        booked = self._booked.get(trial_id)
        if booked is None or booked.state != "complete":
            return None
        # Newest first, and a trial that was interrupted has run some tasks twice: the last time counts.
        rows = {
            row.task_id: row
            for row in reversed(self._runner.store.runs(trial_id=trial_id))
            if row.stop_reason != "cancelled"
        }
        if any(task.task_id not in rows or self._to_run_again(rows[task.task_id]) for task in tasks):
            return None
        outcomes = [self._outcome(rows[task.task_id], self._gates(rows[task.task_id])) for task in tasks]
        for outcome in outcomes:
            self._finished(outcome)
        return Measurement(plan, tuple(outcomes))

    def _to_run_again(self, row: RunRow) -> bool:
        """Whether a stored run failed for a place, or its verdict may have; what was paid is in the cache."""
        return row.status in _FAULTS or (self._judged and row.score is None and not row.status.failed)

    async def _run(self, trial_id: str, plan: Plan, tasks: Sequence[Task], part: str, start: int) -> Measurement:
        parent = self._accounts[part]
        cap = self._cap if self._cap.per_task is not None else None
        if part == "test":
            parent, cap = self._open_batch(parent, len(tasks)), self._cap
        self._book(trial_id, plan, part, start, len(tasks), (), "running")
        async with asyncio.TaskGroup() as group:
            at_once = asyncio.Semaphore(self._at_once(tasks, cap))
            waiting = [group.create_task(self._one(task, plan, parent, cap, trial_id, at_once)) for task in tasks]
        results = [task.result() for task in waiting]
        own = (self._account_id, *self._accounts.values())
        paid = [result for result in results if result.short_account not in own]
        if len(paid) < len(results):
            outcomes = Measurement(plan, tuple(self._outcome(result, result.gates) for result in paid))
            if paid:
                known = self._interrupted.get(plan.hash)
                self._interrupted[plan.hash] = outcomes if known is None else known.then(outcomes)
            self._book(trial_id, plan, part, start, len(tasks), results, "stopped")
            raise SpendExhausted(self._account_id)
        self._book(trial_id, plan, part, start, len(tasks), results, "complete")
        return Measurement(plan, tuple(self._outcome(result, result.gates) for result in results))

    async def _one(
        self, task: Task, plan: Plan, parent: str, cap: Cap | None, trial_id: str, at_once: asyncio.Semaphore
    ) -> Result:
        # A capped run is served as users will be served; the others only measure.
        engine: Engine = "direct" if cap is None else "langgraph"
        async with at_once:
            result = await self._runner.run(
                task, plan, parent_account=parent, cap=cap, trial_id=trial_id, metric=self._scorer, engine=engine
            )
        self._finished(self._outcome(result, result.gates))
        return result

    def _at_once(self, tasks: Sequence[Task], cap: Cap | None) -> int:
        """How many runs may be in progress: under a total, so few that what they hold is a small part of it.

        Every run in progress holds its finishing allowance, and room that is held is room that no call can use.
        """
        if cap is None or cap.total is None:
            return min(len(tasks), self._most_at_once)
        share = cap.total * _HELD_SHARE * len(tasks) / self._everything
        allowance = max(in_unit(self._runner.allowance(task, cap.unit), cap.unit) for task in tasks)
        return max(1, int(share / allowance)) if allowance else len(tasks)

    def _open_batch(self, parent: str, tasks: int) -> str:
        # Of its own each time: what a batch that was interrupted has charged must not count against the next.
        account_id = f"{parent}/batch-{uuid4().hex}"
        limit = self._cap.batch_limit(tasks, self._everything)
        self._runner.open_account(AccountRow(account_id, parent, limit, "charged", "test batch"))
        return account_id

    def _gates(self, row: RunRow) -> tuple[GateReading, ...]:
        """What the gates of a stored run read; traces are opened only where the graph has gates."""
        gated = bool(self._runner.graph.gated)
        return traced_readings(self._runner.store.spans(row.run_id)) if gated else ()

    def _outcome(self, row: Result | RunRow, gates: tuple[GateReading, ...]) -> Outcome:
        unit = self._cap.unit
        cost, lost = in_unit(row.charged, unit), in_unit(row.lost, unit)
        # Rows of older versions do not keep whether the answer abstains; it is looked at again.
        silent = says_nothing(self._output, row.answer) if row.abstained is None else row.abstained
        unscored = self._judged and row.score is None and not row.status.failed
        return Outcome(row.task_id, row.status, row.score or 0.0, cost, lost, row.charged, gates, silent, unscored)

    def _book(
        self, trial_id: str, plan: Plan, part: str, start: int, tasks: int, results: Sequence[Result], state: str
    ) -> None:
        charged = sum((r.charged for r in results), ZERO)
        lost = sum((r.lost for r in results), ZERO)
        graded = [r.score or 0.0 for r in results]
        row = TrialRow(
            trial_id=trial_id,
            study_id=self._study_id,
            plan_hash=plan.hash,
            part=part,
            rung=start,
            tasks=tasks,
            score=sum(graded) / len(graded) if graded else 0.0,
            coverage=sum(not r.status.failed for r in results) / len(results) if results else 0.0,
            charged=charged,
            lost=lost,
            state=state,
        )
        self._runner.store.record(row)


def _plans_at_once(proposals: Sequence[Proposal], runs: int) -> int:
    """So many plans that their runs keep a pool busy, and no more, so that a spend that runs out spoils few of them."""
    most = max((proposal.tasks for proposal in proposals), default=1)
    return max(1, runs // most)


def _trial_id(study_id: str, part: str, plan: Plan, start: int, stop: int) -> str:
    content = f"{study_id}/{part}/{plan.hash}/{start}-{stop}"
    return hashlib.sha256(content.encode()).hexdigest()[:20]
