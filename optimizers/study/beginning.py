"""How a study begins: its tasks in a common order, and as many first plans as the spend can be expected to pay for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from ...graphs.plan import Plan
from ...records.rows import PartRow
from ...records.task import Task
from ...tasks.judge import Judge
from ...tasks.split import split
from ..search.base import Optimizer, ProblemSpec, Proposal
from ..search.measurement import Measurement
from .accounts import StudyAccounts
from .cost_forecast import CostForecast, verdict_forecast
from .reporter import Announcement
from .spec import StudySpec

__all__ = ["FINALISTS", "Beginning", "earlier_reads", "finalists_of", "parts_of"]

FINALISTS = 8
"""How many plans are validated at most."""
_FIRST_PLANS = 60
_FEWEST_PLANS = 4
_FIRST_TASKS = 24
_FEWEST_TASKS = 6
_USUAL_SHARE = 0.5
"""The part of the spend, or of what all plans would pay, that the search, edges and policies usually pay together."""


def parts_of(spec: StudySpec) -> dict[str, tuple[Task, ...]]:
    """Fit, validation and test, each in an order that mixes the families, the same for every plan.

    A task stays in the part in which the spec's store first saw it under the spec's seed.

    Raises:
        UsageError: as `split`.
    """

    def place(task: Task) -> str:
        return hashlib.sha256(f"{spec.seed}/{task.task_id}".encode()).hexdigest()

    known = spec.store.parts(spec.seed)
    found = split(spec.tasks, spec.seed, known)
    for part, tasks in found.items():
        for task in tasks:
            if task.task_id not in known:
                spec.store.record(PartRow(spec.seed, task.task_id, part))
    spec.store.flush()
    return {name: tuple(sorted(part, key=place)) for name, part in found.items()}


def earlier_reads(spec: StudySpec, test: Sequence[Task]) -> int:
    """How often other studies on the store's books have scored plans on tasks that are the test part of this one."""
    own = {task.task_id for task in test}
    reads = 0
    for row in spec.store.studies():
        if row.study_id == spec.study_id or not row.test_reads:
            continue
        asked = json.loads(row.arguments)
        parts = spec.store.parts(asked["seed"])
        if any(parts.get(task) == "test" for task in own.intersection(asked["tasks"])):
            reads += row.test_reads
    return reads


class Beginning:
    """Foresees what a study will pay, and chooses with how many plans its search begins.

    Args:
        spec: of the study.
        parts: its tasks, in the common order.
        accounts: what it may pay.
    """

    def __init__(self, spec: StudySpec, parts: Mapping[str, Sequence[Task]], accounts: StudyAccounts) -> None:
        self._spec = spec
        self._parts = parts
        self._accounts = accounts
        self.affordable = spec.cap.mean_per_task(len(spec.tasks))
        """What a task may charge on average, in the unit of the cap."""
        self.forecast = CostForecast(spec.graph, spec.pool, _median(parts["fit"]), spec.cap.unit)
        """Of what plans pay."""
        self.verdict: float | None = None
        """What a verdict may cost, where a judge grades."""
        if isinstance(spec.scorer, Judge):
            self.verdict = verdict_forecast(spec.scorer, spec.pool, _median(parts["fit"]), spec.cap.unit)
            accounts.begin(self.forecast.charged(spec.space.default()), self.verdict)

    def optimizer(self) -> Optimizer:
        """The optimizer, told to begin with as many plans as the spend can be expected to pay for."""
        spec, fit = self._spec, self._parts["fit"]
        plans, tasks = _FIRST_PLANS, min(_FIRST_TASKS, len(fit))
        while True:
            problem = ProblemSpec(
                spec.space,
                len(fit),
                self.affordable,
                plans,
                tasks,
                spec.seed,
                spend=self._accounts.most("search"),
                families=tuple(task.family for task in fit),
            )
            optimizer = spec.make_optimizer(problem)
            first = optimizer.propose({})
            if self.forecast.paid(first) + self._finals(first) <= self._accounts.for_plans(spec.spend):
                return optimizer
            if plans > _FEWEST_PLANS:
                plans = max(_FEWEST_PLANS, plans * 2 // 3)
            elif tasks > _FEWEST_TASKS and self.forecast.paid(first) > self._accounts.most("search"):
                tasks = max(_FEWEST_TASKS, tasks // 2)
            else:
                return optimizer

    def announcement(self, optimizer: Optimizer) -> Announcement:
        """What is known before the first call."""
        spec, first = self._spec, optimizer.propose({})
        everything = self.forecast.exhausted(spec.space, len(self._parts["fit"]))
        share = self._accounts.plans_share
        expected = _USUAL_SHARE * min(spec.spend, everything / share) + self._finals(first) / share
        return Announcement(
            plans_in_space=spec.space.size,
            first_plans=len(first),
            models=spec.pool.names,
            tasks={name: len(part) for name, part in self._parts.items()},
            cap=spec.cap,
            allowed_per_task=self.affordable,
            spend=spec.spend,
            paid_before=self._accounts.paid,
            expected=min(spec.spend, expected),
            location=spec.store.location,
            verdict=self.verdict,
        )

    def _finals(self, first: Sequence[Proposal]) -> float:
        """What comparing finalists and serving the test part may pay, by the plans that the search begins with.

        Plans that cost more than the cap allows are dropped before; half of what the others ask was asked before.
        """
        validation, test = len(self._parts["validation"]), len(self._parts["test"])
        last = [Proposal(plan.plan, validation + test) for plan in first]
        foreseen = self.forecast.paid(last) * min(1.0, FINALISTS / 2 / len(first))
        return min(foreseen, self.affordable * (validation * FINALISTS / 2 + test))


def finalists_of(
    seen: Mapping[str, Measurement], survivors: Sequence[Plan], forecast: CostForecast, tasks: int, room: float
) -> list[Plan]:
    """The plans to compare on validation: the cheapest seen, then as many survivors as can be paid for.

    Args:
        seen: what the search measured on fit; where that is nothing, there are no finalists.
        survivors: of the search, best bets first.
        forecast: of what plans charge that were not measured.
        tasks: of validation.
        room: what comparing them may pay.
    """
    if not seen:
        return []
    cheapest = min(seen.values(), key=lambda m: (m.cost, m.plan.hash)).plan
    finalists: list[Plan] = []
    for plan in dict.fromkeys([cheapest, *survivors]):
        cost = (seen[plan.hash].cost if plan.hash in seen else forecast.charged(plan)) * tasks
        if len(finalists) < FINALISTS and (cost <= room or not finalists):
            finalists.append(plan)
            room -= cost
    return finalists


def _median(tasks: Sequence[Task]) -> Task:
    """The task whose question has the median length."""
    return sorted(tasks, key=lambda task: (len(task.question), task.task_id))[len(tasks) // 2]
