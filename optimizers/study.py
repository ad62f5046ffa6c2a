"""A study while it runs: race on fit, compare on validation, serve the test part under the hard cap."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..budgets.cap import Cap, in_unit, smallest
from ..errors import SpendExhausted, UsageError
from ..graphs.graph import Graph
from ..graphs.plan import Plan
from ..graphs.run import Runner
from ..graphs.space import Space
from ..models.pool import Pool
from ..records.protocols import StudyStore
from ..records.rows import AccountRow, Limit, StudyRow
from ..records.status import Status
from ..records.task import Task
from ..tasks.split import split
from .base import Brief, Optimizer, Proposal
from .bootstrap import mean_interval, resample_weights
from .findings import PlanReport, Score, StudyReport
from .forecast import Forecast
from .measurement import Measurement, Outcome, frontier
from .registry import MakeOptimizer
from .reporter import Announcement, Progress, Reporter
from .trials import TrialEvaluator

__all__ = ["Study", "Terms"]

_VERSION = 1
"""Of the search; a study of another version is another study."""
_FIRST_PLANS = 60
_FEWEST_PLANS = 4
_FIRST_TASKS = 24
_FINALISTS = 8
"""How many plans are validated at most."""
_SEARCH_SHARE = 0.6
"""The part of the spend that the search may pay at most, so that validation and test can be paid."""
_VALIDATION_SHARE = 0.6
"""The part of what is left after the search that validation may pay, so that test can be paid too."""
_DRAWS = 2000
_PROGRESS_SECONDS = 0.1
"""The shortest time between two reports of progress; each asks the books for what was paid."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The arguments of a study; equal terms are the same study."""

    graph: Graph
    space: Space
    tasks: tuple[Task, ...]
    pool: Pool
    cap: Cap
    spend: float
    store: StudyStore
    seed: int
    scorer: Callable[[Task, str], float]
    metric: str
    make_optimizer: MakeOptimizer
    optimizer: str

    def as_json(self) -> str:
        """What identifies the study, as canonical JSON."""
        content = {
            "version": _VERSION,
            "graph": self.graph.hash,
            "tasks": sorted(task.task_id for task in self.tasks),
            "models": [[card.name, card.fingerprint, card.weight] for card in self.pool.cards],
            "cap": self.cap.model_dump(mode="json"),
            "spend": self.spend,
            "seed": self.seed,
            "metric": self.metric,
            "optimizer": self.optimizer,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @property
    def study_id(self) -> str:
        """The hash of the terms."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:16]


class Study:
    """Runs a study on its terms, once.

    Args:
        terms: what is asked.
        reporter: is told of the progress.
    """

    def __init__(self, terms: Terms, reporter: Reporter) -> None:
        self._terms = terms
        self._reporter = reporter
        self._account = f"study/{terms.study_id}"
        self._parts = _in_common_order(split(terms.tasks, terms.seed), terms.seed)
        self._affordable = terms.cap.mean_per_task(len(terms.tasks))
        self._created = time.time()
        self._phase = "fit"
        self._runs = 0
        self._test_reads = 0
        self._told = 0.0
        self._forecast = Forecast(terms.graph, terms.pool, _median(self._parts["fit"]), terms.cap.unit)

    async def run(self) -> StudyReport:
        """Searches, compares and reports.

        Raises:
            SpendExhausted: the spend was used up before a single plan was measured.
            UsageError: no model answered a single call.
        """
        started = time.monotonic()
        terms = self._terms
        async with Runner(terms.graph, terms.pool, terms.store) as runner:
            self._open(runner)
            evaluator = TrialEvaluator(
                runner,
                study_id=terms.study_id,
                account_id=self._account,
                search_account=f"{self._account}/search",
                parts=self._parts,
                cap=terms.cap,
                scorer=terms.scorer,
                finished=self._finished,
            )
            optimizer = self._optimizer()
            self._announce(optimizer)
            complete = await self._search(optimizer, evaluator)
            complete &= await self._compare(optimizer.survivors(evaluator.measured("fit")), evaluator)
            report = await self._conclude(evaluator, complete, started)
        self._record("complete" if not report.stopped_early else "stopped")
        terms.store.flush()
        self._reporter.finish(report)
        return report

    def _open(self, runner: Runner) -> None:
        terms = self._terms
        known = terms.store.study(terms.study_id)
        if known is not None:
            self._test_reads = known.test_reads
            self._created = known.created_at
        limit = Limit(terms.cap.unit, smallest(terms.spend, terms.cap.unit))
        runner.open_account(AccountRow(self._account, None, limit, "paid", f"study {terms.study_id}"))
        share = Limit(terms.cap.unit, smallest(_SEARCH_SHARE * terms.spend, terms.cap.unit))
        runner.open_account(AccountRow(f"{self._account}/search", self._account, share, "paid", "search"))
        self._record("running")

    def _record(self, state: str) -> None:
        terms = self._terms
        terms.store.record_study(
            StudyRow(
                terms.study_id,
                terms.graph.hash,
                self._account,
                terms.as_json(),
                self._created,
                state,
                self._test_reads,
            )
        )

    def _optimizer(self) -> Optimizer:
        """The optimizer, told to begin with as many plans as the spend can be expected to pay for."""
        terms = self._terms
        tasks = len(self._parts["fit"])
        plans = _FIRST_PLANS
        while True:
            brief = Brief(terms.space, tasks, self._affordable, plans, min(_FIRST_TASKS, tasks), terms.seed)
            optimizer = terms.make_optimizer(brief)
            if plans <= _FEWEST_PLANS or self._expected(optimizer.propose({})) <= terms.spend:
                return optimizer
            plans = max(_FEWEST_PLANS, plans * 2 // 3)

    def _announce(self, optimizer: Optimizer) -> None:
        terms = self._terms
        first = optimizer.propose({})
        expected = self._expected(first)
        paid = in_unit(terms.store.balance(self._account).paid, terms.cap.unit)
        self._reporter.announce(
            Announcement(
                plans_in_space=terms.space.size,
                first_plans=len(first),
                models=terms.pool.names,
                tasks={name: len(part) for name, part in self._parts.items()},
                cap=terms.cap,
                allowed_per_task=self._affordable,
                spend=terms.spend,
                paid_before=paid,
                expected=min(terms.spend, expected),
                location=terms.store.location,
            )
        )

    def _expected(self, first: Sequence[Proposal]) -> float:
        """What the study may pay: the first rung, and the finalists once more; the rungs between repeat much."""
        last = [Proposal(p.plan, len(self._parts["validation"]) + len(self._parts["test"])) for p in first]
        return self._forecast.paid(first) + self._forecast.paid(last) * min(1.0, _FINALISTS / 2 / len(first))

    async def _search(self, optimizer: Optimizer, evaluator: TrialEvaluator) -> bool:
        """Races until the optimizer is done (True) or the search's share of the spend is used up (False)."""
        while True:
            proposals = optimizer.propose(evaluator.measured("fit"))
            if not proposals:
                return True
            try:
                await evaluator.measure(proposals, "fit")
                self._check_reachable(evaluator.measured("fit"))
            except SpendExhausted:
                if not evaluator.measured("fit"):
                    raise self._exhausted() from None
                return False

    def _check_reachable(self, measured: Mapping[str, Measurement]) -> None:
        """Stops a study in which no model has answered anything, before it spends more on that."""
        statuses = {outcome.status for measurement in measured.values() for outcome in measurement.outcomes}
        if not statuses <= {Status.PROVIDER_ERROR, Status.TIMEOUT}:
            return
        store = self._terms.store
        reasons = [span.reason for run in store.runs(limit=1) for span in store.spans(run.run_id) if span.reason]
        raise UsageError(
            f"no model answered a single call: {reasons[0] if reasons else 'no reason was given'}; "
            "mend the endpoint and start again: failed calls are tried again, and nothing else is paid for twice"
        )

    async def _compare(self, survivors: Sequence[Plan], evaluator: TrialEvaluator) -> bool:
        """Measures the survivors, and always the cheapest plan seen, on validation."""
        self._phase = "validation"
        seen = evaluator.measured("fit")
        cheapest = min(seen.values(), key=lambda m: (m.cost, m.plan.hash)).plan
        tasks = len(self._parts["validation"])
        finalists: list[Plan] = []
        room = _VALIDATION_SHARE * (self._terms.spend - self._paid())
        for plan in dict.fromkeys([cheapest, *survivors]):
            cost = seen[plan.hash].cost * tasks
            if len(finalists) < _FINALISTS and (cost <= room or not finalists):
                finalists.append(plan)
                room -= cost
        try:
            await evaluator.measure([Proposal(plan, tasks) for plan in finalists], "validation")
        except SpendExhausted:
            if not evaluator.measured("validation"):
                raise self._exhausted() from None
            return False
        return True

    async def _conclude(self, evaluator: TrialEvaluator, complete: bool, started: float) -> StudyReport:
        """Scores the affordable plans of the frontier on test, and writes the report."""
        self._phase = "test"
        measured = evaluator.measured("validation")
        best = frontier(list(measured.values()))
        validated = {m.plan.hash: self._score(m) for m in best}
        affordable = [m for m in best if validated[m.plan.hash].cost_high <= self._affordable]
        complete &= await self._serve_test(evaluator, [m.plan for m in affordable])
        tested = {plan: self._score(m) for plan, m in evaluator.measured("test").items()}
        reports = tuple(
            PlanReport(
                plan_hash=m.plan.hash,
                plan=json.loads(m.plan.to_json()),
                affordable=m in affordable,
                validation=validated[m.plan.hash],
                test=tested.get(m.plan.hash),
            )
            for m in best
        )
        return self._report(evaluator, reports, complete, started)

    async def _serve_test(self, evaluator: TrialEvaluator, plans: Sequence[Plan]) -> bool:
        tasks = len(self._parts["test"])
        self._test_reads += len(plans)
        self._record("running")
        try:
            await evaluator.measure([Proposal(plan, tasks) for plan in plans], "test")
        except SpendExhausted:
            return False
        return True

    def _report(
        self, evaluator: TrialEvaluator, reports: tuple[PlanReport, ...], complete: bool, started: float
    ) -> StudyReport:
        terms = self._terms
        chosen = [report for report in reports if report.affordable]
        balance = terms.store.balance(self._account)
        return StudyReport(
            study_id=terms.study_id,
            graph_hash=terms.graph.hash,
            cap=terms.cap,
            tasks={name: len(part) for name, part in self._parts.items()},
            plans_in_space=terms.space.size,
            plans_measured=len(evaluator.measured("fit")),
            runs=self._runs,
            spend=terms.spend,
            paid=in_unit(balance.paid, terms.cap.unit),
            lost=in_unit(balance.lost, terms.cap.unit),
            stopped_early=not complete,
            frontier=reports,
            chosen=max(chosen, key=lambda r: r.validation.score).plan_hash if chosen else None,
            test_reads=self._test_reads,
            location=terms.store.location,
            seconds=time.monotonic() - started,
        )

    def _score(self, measurement: Measurement) -> Score:
        interval = mean_interval(measurement.scores, draws=_DRAWS, seed=self._terms.seed)
        weights = resample_weights(len(measurement.outcomes), _DRAWS, self._terms.seed)
        return Score(
            tasks=len(measurement.outcomes),
            score=interval.mean,
            low=interval.low,
            high=interval.high,
            coverage=measurement.coverage,
            cost=measurement.cost,
            cost_high=float(np.quantile(weights @ measurement.burdens, 0.95)),
            lost=measurement.lost,
        )

    def _exhausted(self) -> SpendExhausted:
        balance, unit = self._terms.store.balance(self._account), self._terms.cap.unit
        return SpendExhausted(
            self._account, f"{in_unit(balance.paid, unit):,g}", f"{in_unit(balance.lost, unit):,g} {unit}"
        )

    def _paid(self) -> float:
        return in_unit(self._terms.store.balance(self._account).paid, self._terms.cap.unit)

    def _finished(self, _: Outcome) -> None:
        self._runs += 1
        now = time.monotonic()
        if now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        self._reporter.progress(Progress(self._phase, self._runs, self._paid(), self._terms.spend))


def _median(tasks: Sequence[Task]) -> Task:
    """The task whose question has the median length."""
    return sorted(tasks, key=lambda task: (len(task.question), task.task_id))[len(tasks) // 2]


def _in_common_order(parts: Mapping[Any, Sequence[Task]], seed: int) -> dict[str, tuple[Task, ...]]:
    """Each part in an order that mixes the families, the same for every plan."""

    def place(task: Task) -> str:
        return hashlib.sha256(f"{seed}/{task.task_id}".encode()).hexdigest()

    return {name: tuple(sorted(part, key=place)) for name, part in parts.items()}
