"""A study while it runs: race on fit, compare on validation, fit policies, serve the test part under the hard cap."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...budgets.cap import in_unit, smallest
from ...errors import SpendExhausted, UsageError
from ...graphs.plan import Plan
from ...graphs.run import Runner
from ...records.rows import AccountRow, Limit, StudyRow
from ...records.status import Status
from ...records.task import Task
from ...tasks.split import split
from ..search.base import Optimizer, ProblemSpec, Proposal
from ..search.measurement import Measurement, frontier
from ..serving.governor import Service
from .cost_forecast import CostForecast
from .diagnosis import headroom_of, votes_of
from .edge_phase import FoundEdges, compare_edges, edge_report, rounds_against_depth
from .policy_phase import PolicyPhase
from .policy_selection import Comparison
from .report import Headroom, PlanReport, Score, StudyReport
from .reporter import Announcement, Progress, Reporter
from .scores import score_of
from .spec import StudySpec
from .trials import TrialEvaluator

__all__ = ["Study"]

_FIRST_PLANS = 60
_FEWEST_PLANS = 4
_FIRST_TASKS = 24
_FINALISTS = 8
"""How many plans are validated at most."""
_SEARCH_SHARE = 0.25
"""The part of the spend that the search may pay at most, so that policies can be learned, and the rest can be paid."""
_USUAL_SHARE = 0.5
"""The part of the spend, or of what all plans would pay, that the search, edges and policies usually pay together."""
_EDGE_SHARE = 0.1
"""The part of the spend that comparing choices of edges may pay at most."""
_VALIDATION_SHARE = 0.4
"""The part of what is left after the search that validation may pay, so that the rest can be paid too."""
_POLICY_SHARE = 0.6
"""The part of what is left after validation that tabulating for policies may pay, so that test can be paid too."""
_HEADROOM_SHARE = 0.1
"""The part of the spend that asking what perfect nodes would add may pay at most."""
_PHASES = {
    "search": _SEARCH_SHARE,
    "edges": _EDGE_SHARE,
    "validation": 1.0,
    "policies": 1.0,
    "test": 1.0,
    "headroom": _HEADROOM_SHARE,
}
"""Accounts below the study's, and what part of the spend each may pay at most."""
_PROGRESS_SECONDS = 0.1
"""The shortest time between two reports of progress; each asks the books for what was paid."""


class Study:
    """Runs a study on its spec, once.

    Args:
        spec: what is asked.
        reporter: is told of the progress.
    """

    def __init__(self, spec: StudySpec, reporter: Reporter) -> None:
        self._spec = spec
        self._reporter = reporter
        self._account = f"study/{spec.study_id}"
        self._parts = _in_common_order(split(spec.tasks, spec.seed), spec.seed)
        self._affordable = spec.cap.mean_per_task(len(spec.tasks))
        self._created = time.time()
        self._phase = "fit"
        self._runs = 0
        self._test_reads = 0
        self._told = 0.0
        self._notes: list[str] = []
        self._forecast = CostForecast(spec.graph, spec.pool, _median(self._parts["fit"]), spec.cap.unit)

    async def run(self) -> StudyReport:
        """Searches, compares and reports.

        Raises:
            SpendExhausted: the spend was used up before a single plan was measured.
            UsageError: no model answered a single call.
        """
        started = time.monotonic()
        spec = self._spec
        async with Runner(spec.graph, spec.pool, spec.store) as runner:
            self._open(runner)
            evaluator = TrialEvaluator(
                runner,
                study_id=spec.study_id,
                account_id=self._account,
                accounts={"fit": self._at("search"), "validation": self._at("validation"), "test": self._at("test")},
                parts=self._parts,
                cap=spec.cap,
                scorer=spec.scorer,
                finished=self._finished,
            )
            optimizer = self._optimizer()
            self._announce(optimizer)
            complete = await self._search(optimizer, evaluator)
            survivors = optimizer.survivors(evaluator.measured("fit"))
            edges = await self._edges(survivors, evaluator)
            found = [] if edges is None else [edges.plan]
            complete &= await self._compare([*survivors[:1], *found, *survivors[1:]], evaluator)
            policies = PolicyPhase(spec, self._parts, runner, self._forecast, told=self._finished, phase=self._enter)
            comparison = await self._policies(policies, evaluator, found)
            report = await self._conclude(runner, evaluator, policies, comparison, edges, complete, started)
        self._record("complete" if not report.stopped_early else "stopped")
        spec.store.flush()
        self._reporter.finish(report)
        return report

    def _open(self, runner: Runner) -> None:
        spec = self._spec
        known = spec.store.study(spec.study_id)
        if known is not None:
            self._test_reads = known.test_reads
            self._created = known.created_at
        limit = Limit(spec.cap.unit, smallest(spec.spend, spec.cap.unit))
        runner.open_account(AccountRow(self._account, None, limit, "paid", f"study {spec.study_id}"))
        for name, share in _PHASES.items():
            most = Limit(spec.cap.unit, smallest(share * spec.spend, spec.cap.unit))
            runner.open_account(AccountRow(self._at(name), self._account, most, "paid", name))
        self._record("running")

    def _at(self, phase: str) -> str:
        """The account of a phase."""
        return f"{self._account}/{phase}"

    def _record(self, state: str) -> None:
        spec = self._spec
        spec.store.record_study(
            StudyRow(
                spec.study_id,
                spec.graph.hash,
                self._account,
                spec.as_json(),
                self._created,
                state,
                self._test_reads,
            )
        )

    def _optimizer(self) -> Optimizer:
        """The optimizer, told to begin with as many plans as the spend can be expected to pay for."""
        spec = self._spec
        tasks = len(self._parts["fit"])
        plans = _FIRST_PLANS
        while True:
            problem = ProblemSpec(
                spec.space,
                tasks,
                self._affordable,
                plans,
                min(_FIRST_TASKS, tasks),
                spec.seed,
                spend=_SEARCH_SHARE * spec.spend,
                families=tuple(task.family for task in self._parts["fit"]),
            )
            optimizer = spec.make_optimizer(problem)
            if plans <= _FEWEST_PLANS or self._beginning(optimizer.propose({})) <= spec.spend:
                return optimizer
            plans = max(_FEWEST_PLANS, plans * 2 // 3)

    def _announce(self, optimizer: Optimizer) -> None:
        spec = self._spec
        first = optimizer.propose({})
        everything = self._forecast.exhausted(spec.space, len(self._parts["fit"]))
        expected = _USUAL_SHARE * min(spec.spend, everything) + self._finals(first)
        paid = in_unit(spec.store.balance(self._account).paid, spec.cap.unit)
        self._reporter.announce(
            Announcement(
                plans_in_space=spec.space.size,
                first_plans=len(first),
                models=spec.pool.names,
                tasks={name: len(part) for name, part in self._parts.items()},
                cap=spec.cap,
                allowed_per_task=self._affordable,
                spend=spec.spend,
                paid_before=paid,
                expected=min(spec.spend, expected),
                location=spec.store.location,
            )
        )

    def _beginning(self, first: Sequence[Proposal]) -> float:
        """What the search must be able to pay at least: its first plans, and what comes after the search."""
        return self._forecast.paid(first) + self._finals(first)

    def _finals(self, first: Sequence[Proposal]) -> float:
        """What comparing finalists and serving the test part may pay, by the plans that the search begins with.

        Plans that cost more than the cap allows are dropped before; half of what the others ask was asked before.
        """
        validation, test = len(self._parts["validation"]), len(self._parts["test"])
        last = [Proposal(plan.plan, validation + test) for plan in first]
        foreseen = self._forecast.paid(last) * min(1.0, _FINALISTS / 2 / len(first))
        return min(foreseen, self._affordable * (validation * _FINALISTS / 2 + test))

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
        store = self._spec.store
        reasons = [span.reason for run in store.runs(limit=1) for span in store.spans(run.run_id) if span.reason]
        raise UsageError(
            f"no model answered a single call: {reasons[0] if reasons else 'no reason was given'}; "
            "mend the endpoint and start again: failed calls are tried again, and nothing else is paid for twice"
        )

    async def _compare(self, survivors: Sequence[Plan], evaluator: TrialEvaluator) -> bool:
        """Measures the survivors, and always the cheapest plan seen, on validation."""
        self._enter("validation")
        seen = evaluator.measured("fit")
        cheapest = min(seen.values(), key=lambda m: (m.cost, m.plan.hash)).plan
        tasks = len(self._parts["validation"])
        finalists: list[Plan] = []
        room = _VALIDATION_SHARE * self._left("search", "edges")
        for plan in dict.fromkeys([cheapest, *survivors]):
            cost = seen[plan.hash].cost * tasks if plan.hash in seen else self._forecast.charged(plan) * tasks
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

    async def _edges(self, survivors: Sequence[Plan], evaluator: TrialEvaluator) -> FoundEdges | None:
        """Compares choices of optional edges around the best plan of the search."""
        if not self._spec.space.optional_edges or not survivors:
            return None
        self._enter("edges")
        room = _EDGE_SHARE * self._spec.spend
        paying = evaluator.paying("fit", self._at("edges"))
        try:
            found = await compare_edges(
                self._spec, survivors[0], paying, self._forecast, len(self._parts["fit"]), self._affordable, room
            )
        except SpendExhausted:
            found = None
        if found is None:
            self._notes.append("edges: a tenth of the spend is not enough to compare choices of optional edges")
        return found

    async def _policies(
        self, policies: PolicyPhase, evaluator: TrialEvaluator, found: Sequence[Plan]
    ) -> Comparison | None:
        if not self._spec.policies:
            return None
        best = frontier(list(evaluator.measured("validation").values()))
        best = sorted(best, key=lambda m: (m.cost > self._affordable, -m.score))
        try:
            comparison = await policies.compare(
                evaluator,
                [*(m.plan for m in best), *found],
                room=_POLICY_SHARE * self._left("search", "edges", "validation"),
                account=self._at("policies"),
            )
        except SpendExhausted:
            self._notes.append("policies: the spend ran out before their arms had been run on all tasks")
            return None
        except UsageError as error:
            self._notes.append(f"policies: {error}")
            return None
        if comparison is None:
            self._notes.append("policies: no two plans could be run on all of fit and validation within the spend")
        return comparison

    async def _conclude(
        self,
        runner: Runner,
        evaluator: TrialEvaluator,
        policies: PolicyPhase,
        comparison: Comparison | None,
        edges: FoundEdges | None,
        complete: bool,
        started: float,
    ) -> StudyReport:
        """Serves the test part, with the chosen plan and the chosen policy first, and writes the report."""
        self._enter("test")
        spec = self._spec
        best = frontier(list(evaluator.measured("validation").values()))
        validated = {m.plan.hash: self._score(m) for m in best}
        affordable = [m for m in best if validated[m.plan.hash].cost_high <= self._affordable]
        chosen = max(affordable, key=lambda m: m.score, default=None)
        if chosen is not None:
            complete &= await self._serve_test(evaluator, [chosen.plan])
        service = None if comparison is None else await self._serve_policy(policies, comparison)
        complete &= comparison is None or service is not None
        complete &= await self._serve_test(evaluator, [m.plan for m in affordable if m is not chosen])
        tests = evaluator.measured("test")
        tested = {plan: self._score(m) for plan, m in tests.items()}
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
        static = None if chosen is None else tests.get(chosen.plan.hash)
        measured = list(evaluator.measured("fit").values())
        more: dict[str, Any] = {
            "edges": None if edges is None else edge_report(edges),
            "iso_cost": rounds_against_depth(measured, spec.space, len(self._parts["fit"]), spec.seed),
            "votes": votes_of(spec, measured, self._parts["fit"]),
            "headroom": () if chosen is None else await self._headroom(runner, chosen),
        }
        report = self._report(evaluator, reports, chosen, complete, started)
        if comparison is not None:
            more["policies"] = policies.report(comparison, service, static)
            more["policy"] = policies.deployed(comparison)
        return report.model_copy(update={**more, "notes": tuple(self._notes)})

    async def _headroom(self, runner: Runner, chosen: Measurement) -> tuple[Headroom, ...]:
        """What perfect nodes would add to the chosen plan, paid with what nothing else needed."""
        self._enter("headroom")
        room = _HEADROOM_SHARE * self._spec.spend
        tasks = self._parts["validation"]
        try:
            found = await headroom_of(
                self._spec, runner, chosen, tasks, account=self._at("headroom"), room=room, finished=self._finished
            )
        except SpendExhausted:
            found = None
        if found is None:
            self._notes.append("headroom: a tenth of the spend is not enough to run the chosen plan with perfect nodes")
        return found or ()

    async def _serve_policy(self, policies: PolicyPhase, comparison: Comparison) -> Service | None:
        self._test_reads += 1
        self._record("running")
        try:
            return await policies.serve(comparison, self._at("test"))
        except SpendExhausted:
            self._notes.append("policies: the spend ran out before the test part had been served")
            return None

    async def _serve_test(self, evaluator: TrialEvaluator, plans: Sequence[Plan]) -> bool:
        """Serves the test part with each plan, as a batch under the hard cap."""
        tasks = len(self._parts["test"])
        if not plans:
            return True
        self._test_reads += len(plans)
        self._record("running")
        try:
            await evaluator.measure([Proposal(plan, tasks) for plan in plans], "test")
        except SpendExhausted:
            return False
        return True

    def _report(
        self,
        evaluator: TrialEvaluator,
        reports: tuple[PlanReport, ...],
        chosen: Measurement | None,
        complete: bool,
        started: float,
    ) -> StudyReport:
        spec = self._spec
        balance = spec.store.balance(self._account)
        return StudyReport(
            study_id=spec.study_id,
            graph_hash=spec.graph.hash,
            cap=spec.cap,
            tasks={name: len(part) for name, part in self._parts.items()},
            plans_in_space=spec.space.size,
            plans_measured=len(evaluator.measured("fit")),
            runs=self._runs,
            spend=spec.spend,
            paid=in_unit(balance.paid, spec.cap.unit),
            lost=in_unit(balance.lost, spec.cap.unit),
            stopped_early=not complete,
            frontier=reports,
            chosen=None if chosen is None else chosen.plan.hash,
            test_reads=self._test_reads,
            location=spec.store.location,
            seconds=time.monotonic() - started,
        )

    def _score(self, measurement: Measurement) -> Score:
        return score_of(
            measurement.scores,
            measurement.costs,
            measurement.burdens - measurement.costs,
            coverage=measurement.coverage,
            seed=self._spec.seed,
        )

    def _exhausted(self) -> SpendExhausted:
        balance, unit = self._spec.store.balance(self._account), self._spec.cap.unit
        return SpendExhausted(
            self._account, f"{in_unit(balance.paid, unit):,g}", f"{in_unit(balance.lost, unit):,g} {unit}"
        )

    def _paid(self, account: str | None = None) -> float:
        return in_unit(self._spec.store.balance(account or self._account).paid, self._spec.cap.unit)

    def _left(self, *phases: str) -> float:
        """What the spend leaves after some phases.

        What later phases have paid does not count, so that a study which is started again divides its spend alike.
        """
        return self._spec.spend - sum(self._paid(self._at(phase)) for phase in phases)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._told = 0.0

    def _finished(self, _: object) -> None:
        self._runs += 1
        now = time.monotonic()
        if now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        self._reporter.progress(Progress(self._phase, self._runs, self._paid(), self._spec.spend))


def _median(tasks: Sequence[Task]) -> Task:
    """The task whose question has the median length."""
    return sorted(tasks, key=lambda task: (len(task.question), task.task_id))[len(tasks) // 2]


def _in_common_order(parts: Mapping[Any, Sequence[Task]], seed: int) -> dict[str, tuple[Task, ...]]:
    """Each part in an order that mixes the families, the same for every plan."""

    def place(task: Task) -> str:
        return hashlib.sha256(f"{seed}/{task.task_id}".encode()).hexdigest()

    return {name: tuple(sorted(part, key=place)) for name, part in parts.items()}
