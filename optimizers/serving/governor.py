"""The governor: serves a batch of questions with a policy, inside one hard cap that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np

from ...budgets.cap import Cap, in_unit
from ...errors import SpendExhausted, gravest
from ...graphs.bounds import Bounds, check_allowance
from ...graphs.plan import Plan
from ...graphs.result import Engine, Metric, Result
from ...graphs.run import Runner
from ...records.rows import AccountRow, Limit
from ...records.status import Status
from ...records.task import Task
from ...records.usage import Amount
from ..arrays import Floats, Ints
from ..policies.base import ArmPolicy, Assignment
from ..policies.sequential_policy import Successor
from ..policies.stratified import prepared, wrong_costs_of
from ..tables.probes import take_probe
from ..tables.table import UNANSWERED, Arm, Batch, Question, question_of
from .answer import Menu, Served, served
from .inquiry import Inquiry, Turn
from .output_caps import output_cap_within
from .replay_batch import LOOKING_SHARE, barrier_width
from .service import Service

__all__ = ["Governor"]

_MOST_ROOM = 0.1
"""The part of a cap that is held back so that the last runs need not lower their output caps."""
_CHEAPER = 1000
"""How many times cheaper than the arm that a policy would take without a limit its cheapest one may be."""


class Governor:
    """Serves batches with a policy. The cap holds whatever the policy forecasts and the models write.

    Three things keep the batch inside its cap and let nobody starve:

    - Every run has an account of its own, whose limit is its part of what is left; all lie under the batch's account,
      whose limit is the cap. The ledger reserves an upper bound of every call against both.
    - What the cheapest arm costs at its 95 % quantile is held back for every question that has not begun, and once
      what a run may need beside its cost: room to reserve its largest call, and the finishing allowance.
    - A question whose arm does not fit into what is left beside that gets another arm, the policy's choice for what
      there is, before it begins; never while it runs.

    The policy decides the whole batch at first, and the rest of it at barriers every `every` questions, with what was
    really left. In between as many questions run at once as fit side by side. Nothing depends on which of them ends
    first, so a batch is decided and charged alike whether its replies come from models or from the cache.

    Where the policy decides after looking (`SequentialPolicy`), questions that run side by side are asked in waves: all
    that go on have their next arm when the last of the wave before has ended and is paid for. What is held for a
    question is for all its arms together; where that has no room for the next one, the question ends between two arms,
    never inside one.

    Args:
        policy: its arms are plans of the runner's graph, or cascades of plans.
        runner: entered.
        arms: further arms that the stages of cascades name.
        every: how many questions lie between two barriers; a twentieth of a batch, at least 16, where left out.
        asked: what the policy is told of a task.

    Raises:
        UsageError: an arm has no plan.
    """

    def __init__(
        self,
        policy: ArmPolicy,
        runner: Runner,
        *,
        arms: Sequence[Arm] = (),
        every: int | None = None,
        asked: Callable[[Task], Question] = question_of,
    ) -> None:
        self._policy = policy
        self._runner = runner
        self._every = every
        self._asked = asked
        self._menu = Menu(policy.arms, arms)

    async def serve(
        self,
        tasks: Sequence[Task],
        cap: Cap,
        *,
        of: int | None = None,
        parent_account: str | None = None,
        scorer: Metric | None = None,
        trial_id: str | None = None,
        engine: Engine = "langgraph",
        seed: int = 0,
        finished: Callable[[Served], None] | None = None,
    ) -> Service:
        """Answers a batch of questions.

        Args:
            tasks: in the order in which they are served.
            cap: `total` is shared by all of them, `per_task` limits each.
            of: for how many tasks `total` is meant, where these are only some of them; the batch then has its share.
            parent_account: opened on the runner; the batch's account lies below it.
            scorer: scores the answers.
            trial_id: the trial that the runs belong to.
            engine: see `Runner.run`.
            seed: see `Runner.run`.
            finished: called after each question.

        Raises:
            SpendExhausted: the parent account cannot pay for it.
            BudgetBreach, NodeFailed: as `Runner.run`.
        """
        check_allowance(self._runner.graph, cap)
        limit = cap.batch_limit(len(tasks), of or len(tasks))
        account = AccountRow(f"batch-{uuid4().hex}", parent_account, limit, "charged", f"batch by {self._policy.name}")
        self._runner.open_account(account)
        settings = _Settings(cap, account, scorer, trial_id, engine, seed, finished, self._asked)
        batch = _Batch(self._policy, self._menu, self._runner, tuple(tasks), settings)
        await batch.look()
        every = barrier_width(len(tasks)) if self._every is None else self._every
        for start in range(0, len(tasks), every):
            await batch.serve(start, every)
        return batch.service()


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a run of an arm on a question may need, in the unit of the cap."""

    beside: float
    """Room to reserve the largest call, and the finishing allowance."""
    most: float
    """The upper bound of the whole run."""
    allowance: float
    """Of the room, the finishing allowance."""


@dataclass(frozen=True, slots=True)
class _Settings:
    """How a batch is served; see `Governor.serve`."""

    cap: Cap
    account: AccountRow
    scorer: Metric | None
    trial_id: str | None
    engine: Engine
    seed: int
    finished: Callable[[Served], None] | None
    asked: Callable[[Task], Question]


class _Batch:
    """A batch while it is served."""

    def __init__(
        self,
        policy: ArmPolicy,
        menu: Menu,
        runner: Runner,
        tasks: tuple[Task, ...],
        settings: _Settings,
    ) -> None:
        self._policy = policy
        self._menu = menu
        self._runner = runner
        self._tasks = tasks
        self._settings = settings
        self._unit = settings.cap.unit
        self._bounds = Bounds(runner.space, self._unit)
        self._batch = Batch(tuple(settings.asked(task) for task in tasks))
        self._looks = np.zeros(len(tasks))
        self._successor = Successor(policy)
        self._served: dict[int, Served] = {}

    async def look(self) -> None:
        """Takes the policy's probe of every question, and works out what is to be held back."""
        name = self._policy.probe
        if name is not None:
            batch, share = self._settings.account, self._settings.account.limit
            if share is not None:
                share = Limit(share.unit, int(share.value * LOOKING_SHARE))
            looks = AccountRow(f"{batch.account_id}/looks", batch.account_id, share, "charged", "looks")
            self._runner.open_account(looks)
            probe = await take_probe(
                name,
                self._runner,
                self._tasks,
                unit=self._unit,
                seed=self._settings.seed,
                account=looks.account_id,
                required=False,
            )
            self._batch = replace(self._batch, probes={name: probe.values})
            self._looks = probe.costs
        self._batch = prepared(self._policy, self._batch)
        # Left to itself, a policy may skip questions at a small budget that it would answer at a larger one. Where
        # wrong answers cost something, none may be worth more than a cheap one.
        asked = self._policy.assign(self._batch, np.inf).arms != UNANSWERED
        self._answered = asked & (wrong_costs_of(self._policy) == 0)
        self._cheapest, high = self._with_least(self._policy.assign(self._batch, 0.0))
        self._floors = np.maximum(high - self._looks, 0.0)
        beside = np.array([self._room(i, int(arm)) for i, arm in enumerate(self._cheapest)])
        ahead = np.append(np.maximum.accumulate(beside[::-1])[::-1][1:], 0.0)
        self._later = np.append(self._floors[::-1].cumsum()[::-1][1:], 0.0) + ahead
        """(questions,): what is held back for those after each."""

    def service(self) -> Service:
        """What became of the batch."""
        account_id = self._settings.account.account_id
        balance = self._runner.ledger.balance(account_id)
        served = tuple(self._served[i] for i in range(len(self._tasks)))
        limit = self._settings.account.limit
        most = None if limit is None else limit.value
        return Service(served, account_id, balance.charged, balance.lost, self._unit, self._batch, self._looks, most)

    async def serve(self, start: int, every: int) -> None:
        """Decides the rest of the batch and serves the first of it."""
        rest = np.arange(start, len(self._tasks))
        found = self._policy.assign(self._batch.take(rest), self._budget(rest))
        skipped = (found.arms == UNANSWERED) & self._answered[rest]
        arms = np.where(skipped, self._cheapest[rest], found.arms)[:every].tolist()
        planned = found.arms[:every].tolist()
        dear = np.maximum(found.high - self._looks[rest], 0.0)
        high = np.where(skipped, self._floors[rest], dear)[:every].tolist()
        at = 0
        while at < len(arms):
            ceilings = self._side_by_side(start + at, arms[at:], high[at:])
            if ceilings:
                group = [
                    self._turn(start + at + i, arms[at + i], planned[at + i], high[at + i], ceiling)
                    for i, ceiling in enumerate(ceilings)
                ]
            else:
                arm, most, ceiling = self._swapped(start + at)
                group = [self._turn(start + at, arm, planned[at], most, ceiling)]
            await self._in_waves(group)
            at += len(group)

    async def _in_waves(self, turns: Sequence[Turn]) -> None:
        """Asks the first arm of every question, and when all have ended the next one of those that go on, and so on."""
        wave = list(turns)
        while wave:
            try:
                async with asyncio.TaskGroup() as running:
                    for turn in wave:
                        running.create_task(self._answer(turn))
            except ExceptionGroup as problems:
                raise gravest(problems) from problems
            wave = [turn for turn in wave if turn.inquiry.open]

    def _side_by_side(self, first: int, arms: Sequence[int], high: Sequence[float]) -> list[float]:
        """The ceilings of the runs that fit into what is left at the same time, from the first question on."""
        left = self._left()
        needs = [self._needs(first + i, arm) for i, arm in enumerate(arms)]
        asked, ceilings = 0.0, []
        for i, (need, expected) in enumerate(zip(needs, high, strict=True)):
            wanted = min(expected + need.beside, need.most)
            if asked + wanted > left - self._later[first + i]:
                break
            asked += wanted
            ceilings.append(wanted)
        if not ceilings:
            return []
        # What is free beyond that is shared out, so that few runs meet their ceiling.
        free = (left - float(self._later[first + len(ceilings) - 1]) - asked) / len(ceilings)
        return [ceiling + free for ceiling in ceilings]

    def _swapped(self, question: int) -> tuple[int, float, float]:
        """Another arm for a question whose own does not fit, what it may cost by the policy's plan, and its ceiling."""
        left, later = self._left(), float(self._later[question])
        cheapest = int(self._cheapest[question])
        budget = max(0.0, left - later - self._room(question, cheapest)) + float(self._looks[question])
        found = self._policy.assign(self._batch.take(np.array([question])), budget)
        arm = int(found.arms[0])
        needs = self._needs(question, arm)
        high = max(0.0, float(found.high[0]) - float(self._looks[question]))
        skipped = arm == UNANSWERED and bool(self._answered[question])
        # Output caps may be lowered where twice what the arm is expected to cost is left of them.
        wanted = min(high + needs.beside, needs.most, 2 * high + needs.allowance)
        if skipped or (arm != cheapest and wanted > left - later):
            arm, needs, high = cheapest, self._needs(question, cheapest), float(self._floors[question])
        # Where not even the cheapest fits beside what is held back, first come is first served.
        return arm, high, max(left - later, min(left, high + needs.beside))

    def _turn(self, question: int, arm: int, planned: int, high: float, ceiling: float) -> Turn:
        own = self._settings.cap.per_task
        # All arms of a question are one question's, and so are all stages of a cascade.
        ceiling = ceiling if own is None else min(ceiling, own)
        asked = self._batch.questions[question]
        inquiry = Inquiry(self._successor, self._menu, asked, arm, min(high, ceiling), self._unit)
        return Turn(question, arm, planned, ceiling, inquiry)

    async def _answer(self, turn: Turn) -> None:
        """Asks the next arm of a question, and where that was the last notes what became of it."""
        task, inquiry = self._tasks[turn.question], turn.inquiry

        async def run(plan: Plan, before: Sequence[Result]) -> Result | None:
            left = turn.ceiling - sum(in_unit(result.charged + result.lost, self._unit) for result in before)
            cap = output_cap_within(left, plan, task, self._bounds, self._unit)
            return None if cap == 0 else await self._run(task, plan, left, cap)

        if inquiry.open:
            await inquiry.look(run)
        if not inquiry.open:
            self._close(turn)

    def _close(self, turn: Turn) -> None:
        question, inquiry = turn.question, turn.inquiry
        results = inquiry.results
        arm = UNANSWERED if turn.planned == UNANSWERED and not results else turn.arm
        self._served[question] = served(
            self._tasks[question].task_id,
            self._name(arm),
            self._name(turn.planned),
            results,
            inquiry.said(),
            cut=inquiry.cut,
            spent=inquiry.spent,
            nothing=Status.SKIPPED if arm == UNANSWERED else Status.BUDGET,
            score=None if self._settings.scorer is None else 0.0,
        )
        if self._settings.finished is not None:
            self._settings.finished(self._served[question])

    async def _run(self, task: Task, plan: Plan, ceiling: float, output_cap: int | None) -> Result:
        settings = self._settings
        result = await self._runner.run(
            task,
            plan,
            parent_account=settings.account.account_id,
            cap=Cap(per_task=ceiling, unit=self._unit),
            trial_id=settings.trial_id,
            metric=settings.scorer,
            engine=settings.engine,
            seed=settings.seed,
            output_cap=output_cap,
        )
        if result.short_account not in ("", f"run-{result.run_id}", settings.account.account_id):
            raise SpendExhausted(result.short_account)
        return result

    def _name(self, arm: int) -> str:
        return "" if arm == UNANSWERED else self._policy.arms[arm].name

    def _needs(self, question: int, arm: int) -> _Needs:
        if arm == UNANSWERED:
            return _Needs(0.0, 0.0, 0.0)
        task, unit = self._tasks[question], self._unit
        first = self._menu.plans(arm)
        later = {plan for other in self._successor.follows(arm) for plan in self._menu.plans(other)}.difference(first)
        bounds = [self._bounds.of(plan, task) for plan in (*first, *later)]
        call = max(in_unit(bound.call, unit) for bound in bounds)
        allowance = in_unit(bounds[0].allowance, unit)
        most = np.inf if bounds[0].unbounded else sum(in_unit(bound.total, unit) for bound in bounds)
        return _Needs(call + allowance, most, allowance)

    def _room(self, question: int, arm: int) -> float:
        """What is held back for a run beside its cost, so that its caps need not be lowered; a tenth of all at most."""
        limit = self._settings.account.limit
        tenth = np.inf if limit is None else _MOST_ROOM * in_unit(Amount(*[limit.value] * 3), self._unit)
        return min(self._needs(question, arm).beside, tenth)

    def _with_least(self, found: Assignment) -> tuple[Ints, Floats]:
        """Arms and their costs, with the cheapest one that the policy knows where it would rather skip a question."""
        arms, high = found.arms.copy(), found.high.copy()
        skipped = np.flatnonzero((arms == UNANSWERED) & self._answered)
        if not len(skipped):
            return arms, high
        one = self._batch.take(skipped[:1])
        dearest = float(self._policy.assign(one, np.inf).high[0])
        for budget in np.geomspace(dearest / _CHEAPER, dearest, 64).tolist():
            least = self._policy.assign(one, budget)
            if least.arms[0] != UNANSWERED:
                arms[skipped], high[skipped] = least.arms[0], least.high[0]
                break
        return arms, high

    def _budget(self, rest: Ints) -> float:
        """What the policy may plan with for the rest of the batch, in its own terms: looks count, paid as they are."""
        budget = self._left() + float(self._looks[rest].sum())
        own = self._settings.cap.per_task
        return budget if own is None else min(budget, own * len(rest))

    def _left(self) -> float:
        limit = self._settings.account.limit
        if limit is None:
            return float("inf")
        balance = self._runner.ledger.balance(self._settings.account.account_id)
        whole = Amount(limit.value, limit.value, limit.value)
        return in_unit(whole - balance.charged - balance.lost, self._unit)
