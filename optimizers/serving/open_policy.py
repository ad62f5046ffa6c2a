"""A deployed policy with what answering needs opened: single questions beside its references, batches under a cap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import uuid4

from ...budgets.cap import Cap
from ...errors import UnknownName
from ...graphs.plan import Plan
from ...graphs.result import Metric, Result
from ...graphs.run import Runner
from ...records.rows import AccountRow, Limit, Unit
from ...records.status import Status
from ...records.task import Task
from ..policies.base import ArmPolicy, Assignment
from ..policies.sequential_policy import Seen, Successor
from ..policies.stratified import wrong_costs_of
from ..tables.probes import take_probe
from ..tables.table import UNANSWERED, Arm, Batch, Question
from .answer import Menu, Served, served
from .governor import Governor
from .inquiry import Inquiry
from .service import Service

__all__ = ["Deployed", "OpenPolicy"]


class Deployed(Protocol):
    """What answering needs of a deployed policy."""

    def dial(self, x: float) -> Deployed:
        """The same at another budget, see `DeployedPolicy.dial`."""

    @property
    def unit(self) -> Unit:
        """Of its costs."""

    def question_of(self, task: Task) -> Question:
        """The question as the policy sees it."""

    def decide(self, batch: Batch) -> Assignment:
        """Decides each question of a batch as if it came alone, beside the reference questions."""


class OpenPolicy:
    """A deployed policy with what answering needs; made by `DeployedPolicy.opened`."""

    def __init__(
        self, deployed: Deployed, policy: ArmPolicy, menu: Menu, others: Sequence[Arm], runner: Runner
    ) -> None:
        self._deployed = deployed
        self._policy = policy
        self._menu = menu
        self._others = others
        self._runner = runner

    def dial(self, x: float) -> OpenPolicy:
        """The same at another budget, see `DeployedPolicy.dial`; what was opened is shared.

        Raises:
            UsageError: x is not in [0, 1].
        """
        return OpenPolicy(self._deployed.dial(x), self._policy, self._menu, self._others, self._runner)

    def open_account(self, account: AccountRow) -> str:
        """Opens an account on the store's books under which questions can be charged, see `Runner.open_account`."""
        return self._runner.open_account(account)

    async def ainvoke(
        self, question: str | Task, *, cap: Cap | None = None, parent_account: str | None = None
    ) -> Served:
        """Answers one question.

        Args:
            question: the question, or a task with its context and instructions.
            cap: the ceiling for it, hard. Where the arm that the dial would buy does not fit, a cheaper one runs.
            parent_account: opened by `open_account`; the question's account lies below it.

        Raises:
            BudgetBreach, NodeFailed: as `Runner.run`.
            SpendExhausted: the parent account cannot pay for the look that the policy takes first.
        """
        task = _task(question)
        if cap is None:
            return await self._answer(task, parent_account)
        alone = _Alone(self._deployed, self._policy)
        governor = Governor(alone, self._runner, arms=self._others, asked=self._deployed.question_of)
        service = await governor.serve([task], cap, parent_account=parent_account)
        return replace(service.served[0], charged=service.charged, lost=service.lost)

    async def ainvoke_arm(
        self, arm: str, question: str | Task, *, cap: Cap | None = None, parent_account: str | None = None
    ) -> Served:
        """Has one question answered by an arm, whatever the policy would choose.

        Args:
            arm: its name.
            question: as for `ainvoke`.
            cap: the ceiling for it, hard.
            parent_account: as for `ainvoke`.

        Raises:
            UnknownName: there is no such arm.
            BudgetBreach, NodeFailed: as `Runner.run`.
        """
        names = [each.name for each in self._policy.arms]
        if arm not in names:
            raise UnknownName("arm", arm, names)
        task, limit = _task(question), None if cap is None else cap.task_limit()
        account = self._open(parent_account, limit)

        async def run(plan: Plan, before: Sequence[Result]) -> Result:
            return await self._runner.run(task, plan, parent_account=account, cap=cap)

        family = self._deployed.question_of(task).family
        results, cut = await self._menu.run(names.index(arm), run, family)
        said = self._menu.said(names.index(arm), results, family)
        return served(task.task_id, arm, arm, results, said, cut=cut, nothing=Status.BUDGET)

    def _open(self, parent: str | None, limit: Limit | None = None) -> str:
        """An account for a question."""
        return self._runner.open_account(AccountRow(f"question-{uuid4().hex}", parent, limit, label="question"))

    async def ainvoke_batch(
        self,
        tasks: Sequence[str | Task],
        cap: Cap,
        *,
        scorer: Metric | None = None,
        parent_account: str | None = None,
        finished: Callable[[Served], None] | None = None,
    ) -> Service:
        """Answers a batch under one hard cap that its questions share; the dial does not matter here, see `Governor`.

        Args:
            tasks: questions or tasks, in the order in which they are served.
            cap: `total` is shared, `per_task` limits each.
            scorer: scores the answers. What a `Judge` is charged counts against the cap as well.
            parent_account: opened by `open_account`; the batch's account lies below it.
            finished: called after each question.

        Raises:
            BudgetBreach, NodeFailed: as `Runner.run`.
        """
        governor = Governor(self._policy, self._runner, arms=self._others, asked=self._deployed.question_of)
        asked = [_task(task) for task in tasks]
        return await governor.serve(asked, cap, scorer=scorer, parent_account=parent_account, finished=finished)

    async def _answer(self, task: Task, parent: str | None) -> Served:
        account = self._open(parent)
        batch = Batch((self._deployed.question_of(task),))
        name, look = self._policy.probe, 0.0
        if name is not None:
            probe = await take_probe(name, self._runner, [task], unit=self._deployed.unit, account=account)
            batch, look = replace(batch, probes={name: probe.values}), float(probe.costs[0])
        decided = self._deployed.decide(batch)
        arm = int(decided.arms[0])
        allowed = max(0.0, float(decided.high[0]) - look)
        inquiry = Inquiry(Successor(self._policy), self._menu, batch.questions[0], arm, allowed, self._deployed.unit)

        async def run(plan: Plan, before: Sequence[Result]) -> Result:
            return await self._runner.run(task, plan, parent_account=account)

        while inquiry.open:
            await inquiry.look(run)
        chosen = "" if arm == UNANSWERED else self._policy.arms[arm].name
        found = served(
            task.task_id,
            chosen,
            chosen,
            inquiry.results,
            inquiry.said(),
            cut=inquiry.cut,
            spent=inquiry.spent,
            nothing=Status.SKIPPED,
        )
        balance = self._runner.ledger.balance(account)
        return replace(found, charged=balance.charged, lost=balance.lost)


class _Alone:
    """The policy for single questions under a cap: what the dial buys where that fits, else what does."""

    def __init__(self, deployed: Deployed, policy: ArmPolicy) -> None:
        self._deployed = deployed
        self._policy = policy
        self._successor = Successor(policy)

    @property
    def name(self) -> str:
        """See `ArmPolicy.name`."""
        return self._policy.name

    @property
    def arms(self) -> tuple[Arm, ...]:
        """See `ArmPolicy.arms`."""
        return self._policy.arms

    @property
    def probe(self) -> str | None:
        """See `ArmPolicy.probe`."""
        return self._policy.probe

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`."""
        return wrong_costs_of(self._policy)

    def assign(self, batch: Batch, budget: float) -> Assignment:
        """See `ArmPolicy.assign`."""
        decided = self._deployed.decide(batch)
        return decided if decided.high.sum() <= budget else self._policy.assign(batch, budget)

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        """See `SequentialPolicy.next`."""
        return self._successor.next(question, seen, left)

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        """See `SequentialPolicy.answer`."""
        return self._successor.answer(question, seen)

    def follows(self, arm: int) -> tuple[int, ...]:
        """See `SequentialPolicy.follows`."""
        return self._successor.follows(arm)

    def to_json(self) -> Mapping[str, Any]:
        """See `ArmPolicy.to_json`."""
        return self._policy.to_json()


def _task(question: str | Task) -> Task:
    if isinstance(question, Task):
        return question
    return Task.asking(question)
