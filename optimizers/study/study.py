"""A study while it runs: race on fit, compare on validation, fit policies, serve the test part under the hard cap."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from ...budgets.cap import Cap, in_unit
from ...errors import SpendExhausted, UsageError
from ...graphs.plan import Plan
from ...graphs.run import Runner
from ...records.rows import StudyRow
from ...tasks.clusters import task_clusters
from ...tasks.metrics import scores_answers
from ..analysis.edge_ablation import EdgeReport
from ..analysis.gate_openings import GateReport
from ..analysis.headroom import Headroom
from ..analysis.iso_cost import iso_cost
from ..search.base import Optimizer, Proposal
from ..search.gate_rates import GateRates
from ..search.measurement import Measurement, frontier
from ..serving.service import Service
from .accounts import StudyAccounts
from .beginning import Beginning, earlier_reads, finalists_of, parts_of
from .edge_phase import compare_edges
from .failed_functions import failed_functions
from .gate_phase import gates_of
from .headroom_and_votes import headroom_of, votes_of
from .judge_phase import JudgePhase
from .money import by_money
from .plan_report import PlanReport, Score
from .policy_phase import PolicyPhase
from .policy_selection import Comparison
from .reachable import check_reachable
from .readings import Choice, choices_of, readings_of
from .report import ReadingReport, StudyReport, UnreadPlan
from .reporter import Reporter
from .scores import score_of
from .spec import StudySpec
from .target_phase import aimed_at
from .telling import Telling
from .thin_spend import fallback, likeliest
from .trials import TrialEvaluator
from .unasked_roles import unasked_roles

__all__ = ["Study"]

_VALIDATION_SHARE = 0.4
"""The part of what is left after the search that validation may pay, so that the rest can be paid too."""
_POLICY_SHARE = 0.6
"""The part of what is left after validation that tabulating for policies may pay, so that test can be paid too."""
_SAFE_SHARE = 0.7
"""The part of what is left that a last trial is planned with: bounds are reserved, and tasks differ."""
_NO_HEADROOM = "headroom: a tenth of the spend is not enough to run the chosen plan with perfect nodes"
_NO_SINGLES = "headroom, votes: the metric grades the results of runs, so it cannot tell what single answers score"


class Study:
    """Runs a study on its spec, once.

    Args:
        spec: what is asked.
        reporter: is told of the progress.
    """

    def __init__(self, spec: StudySpec, reporter: Reporter) -> None:
        self._spec = spec
        self._reporter = reporter
        self._parts = parts_of(spec)
        self._accounts = StudyAccounts(spec)
        self._beginning = Beginning(spec, self._parts, self._accounts)
        self._affordable, self._forecast = self._beginning.affordable, self._beginning.forecast
        self._created = time.time()
        self._telling = Telling(spec.spend, self._accounts, reporter)
        self._enter, self._finished = self._telling.enter, self._telling.finished
        self._test_reads = 0
        self._notes: list[str] = []

    async def run(self) -> StudyReport:
        """Searches, compares and reports.

        Raises:
            SpendExhausted: most of the spend was lost on calls without a usable reply, and no run was answered.
            UsageError: no model answered a single call.
        """
        started = time.monotonic()
        spec = self._spec
        async with Runner(spec.graph, spec.pool, spec.store) as runner:
            self._open(runner)
            evaluator = TrialEvaluator(runner, spec, self._parts, self._accounts, self._finished)
            self._telling.follow(evaluator)
            optimizer = self._beginning.optimizer()
            self._reporter.announce(self._beginning.announcement(optimizer))
            complete = await self._search(optimizer, evaluator)
            self._accounts.learn_share(self._forecast.uncached(evaluator.measured("fit").values()))
            self._learn_gates(evaluator)
            judging = JudgePhase(spec, runner, self._accounts, evaluator)
            policies = PolicyPhase(spec, self._parts, runner, self._forecast, told=self._finished, phase=self._enter)
            survivors = optimizer.survivors(evaluator.measured("fit"))
            compared = await self._edges(survivors, evaluator)
            found, edges = ([], None) if compared is None else ([compared[0]], compared[1])
            complete &= await self._compare([*survivors[:1], *found, *survivors[1:]], evaluator)
            if evaluator.measured("validation"):
                comparison = await self._policies(policies, evaluator, found)
                report = await self._conclude(
                    runner, evaluator, judging, policies, comparison, edges, complete, started
                )
            else:
                report = await self._untested(judging, evaluator, policies, optimizer, started)
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
        self._accounts.open(runner)
        self._record("running")

    def _record(self, state: str) -> None:
        spec = self._spec
        spec.store.record(
            StudyRow(
                spec.study_id,
                spec.graph.hash,
                self._accounts.whole,
                spec.as_json(),
                self._created,
                state,
                self._test_reads,
            )
        )

    async def _search(self, optimizer: Optimizer, evaluator: TrialEvaluator) -> bool:
        """Races until the optimizer is done (True) or the search's share of the spend is used up (False)."""
        while True:
            proposals = optimizer.propose(evaluator.measured("fit"))
            if not proposals:
                return True
            try:
                await evaluator.measure(proposals, "fit")
                check_reachable(evaluator.measured("fit").values(), self._spec.store)
            except SpendExhausted:
                return False

    def _learn_gates(self, evaluator: TrialEvaluator) -> None:
        """From here on plans are expected to cost what follows from how often gates opened in the search."""
        rates = GateRates(self._spec.space, [task.family for task in self._parts["fit"]])
        self._forecast = self._forecast.knowing(rates.knowing(evaluator.measured("fit").values()))

    async def _compare(self, survivors: Sequence[Plan], evaluator: TrialEvaluator) -> bool:
        """Measures the survivors, and always the cheapest plan seen, on validation."""
        self._enter("validation")
        whole = len(self._parts["validation"])
        left, seen = self._accounts.left("search", "edges"), evaluator.measured("fit")
        finalists, tasks = finalists_of(seen, survivors, self._forecast, whole, _VALIDATION_SHARE * left), whole
        if not finalists or seen[finalists[0].hash].cost * whole > left:
            # Not even one can be validated whole: the best then, on as many tasks as can be paid for.
            best = likeliest(evaluator, self._affordable)
            tasks = 0 if best is None else min(whole, int(_SAFE_SHARE * left / max(best.cost, 1e-9)))
            if best is None or not tasks:
                return False
            finalists = [best.plan]
        try:
            await evaluator.measure([Proposal(plan, tasks) for plan in finalists], "validation")
        except SpendExhausted:
            return False
        if tasks < whole:
            self._notes.append(f"validation: the spend reached for one plan on {tasks} of {whole} tasks")
        return tasks == whole

    async def _edges(self, survivors: Sequence[Plan], evaluator: TrialEvaluator) -> tuple[Plan, EdgeReport] | None:
        """Compares choices of optional edges around the best plan of the search."""
        if not self._spec.space.optional_edges or not survivors:
            return None
        self._enter("edges")
        room = self._accounts.most("edges")
        paying = evaluator.paying("fit", self._accounts.of("edges"))
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
            return await policies.compare(
                evaluator,
                [*(m.plan for m in best), *found],
                room=_POLICY_SHARE * self._accounts.left("search", "edges", "validation"),
                account=self._accounts.of("policies"),
            )
        except SpendExhausted:
            self._notes.append("policies: the spend ran out before their arms had been run on all tasks")
            return None
        except UsageError as error:
            self._notes.append(f"policies: {error}")
            return None

    async def _conclude(
        self,
        runner: Runner,
        evaluator: TrialEvaluator,
        judging: JudgePhase,
        policies: PolicyPhase,
        comparison: Comparison | None,
        edges: EdgeReport | None,
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
        aim = aimed_at(spec, comparison)
        service = None if comparison is None else await self._serve_policy(policies, comparison, aim.cap)
        complete &= comparison is None or service is not None
        await judging.control()  # how far scores can be relied on is worth more than serving the other plans
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
                tokens=m.charged.tokens / len(m.outcomes),
                usd=in_unit(m.charged, "usd") / len(m.outcomes),
            )
            for m in best
        )
        static = None if chosen is None else tests.get(chosen.plan.hash)
        measured = list(evaluator.measured("fit").values())
        more: dict[str, Any] = {
            "gates": () if chosen is None else await self._gates(evaluator, chosen),
            "edges": edges,
            "iso_cost": iso_cost(measured, spec.space, tasks=len(self._parts["fit"]), seed=spec.seed),
            "votes": votes_of(spec, measured, self._parts["fit"]),
            "headroom": () if chosen is None else await self._headroom(runner, chosen),
            "target": aim.told(service, self._parts["test"]),
            "by_money": by_money(spec, chosen, evaluator.measured("validation"), self._score, self._affordable),
        }
        if chosen is not None:
            more["failed_functions"] = failed_functions(spec.store, spec.study_id, spec.space, chosen.plan)
            self._notes += unasked_roles(spec.store, spec.study_id, spec.space, chosen.plan)
        choices = choices_of(None if chosen is None else chosen.plan, comparison)
        more["judge"] = await judging.report(choices)
        more["readings"], more["unread_plans"] = self._readings(choices)
        self._notes += [each.warning for each in more["readings"] if each.warning]
        report = self._report(evaluator, reports, chosen, complete, started)
        if comparison is not None:
            # A plan that was served under the study's cap is no match for a policy under a smaller one.
            more["policies"] = policies.report(comparison, service, None if aim.moved else static)
            more["policy"] = policies.deployed(aim.deployed_at(comparison))
        elif chosen is not None:
            more["policy"] = policies.static(chosen)
        return report.model_copy(update={**more, "notes": tuple(self._notes)})

    async def _untested(
        self,
        judging: JudgePhase,
        evaluator: TrialEvaluator,
        policies: PolicyPhase,
        optimizer: Optimizer,
        started: float,
    ) -> StudyReport:
        """The report of a study whose spend did not reach for validating a plan: the likeliest one is the policy.

        Raises:
            SpendExhausted: no run was answered, and most of what was paid was lost on calls without a usable reply.
        """
        paying = evaluator.paying("fit", self._accounts.of("validation"))
        found = await fallback(paying, optimizer.propose({}), self._forecast, self._affordable)
        if found.seen is None and 2 * self._accounts.lost > self._accounts.paid:
            raise self._accounts.exhausted()
        self._notes.append(found.note)
        choices = choices_of(None if found.seen is None else found.plan, None)
        await judging.control()
        judge = await judging.report(choices)
        readings, unread = self._readings(choices)
        report = self._report(evaluator, (), None, False, started)
        more: dict[str, Any] = {"readings": readings, "unread_plans": unread, "policy": policies.untested(found)}
        more |= {"target": aimed_at(self._spec, None).report, "judge": judge}
        return report.model_copy(update={**more, "notes": tuple(self._notes)})

    def _readings(self, choices: Sequence[Choice]) -> tuple[tuple[ReadingReport, ...], tuple[UnreadPlan, ...]]:
        """What came of replies, and what hung on those that could not be read."""
        return readings_of(self._spec.store, self._spec.study_id, self._spec.space, choices)

    async def _gates(self, evaluator: TrialEvaluator, chosen: Measurement) -> tuple[GateReport, ...]:
        """What the gates of the chosen plan brought, against twins that are paid with what nothing else needed."""
        self._enter("gates")
        paying = evaluator.paying("validation", self._accounts.of("gates"))
        return await gates_of(self._spec, chosen, paying, self._forecast, self._accounts.most("gates"))

    async def _headroom(self, runner: Runner, chosen: Measurement) -> tuple[Headroom, ...]:
        """What perfect nodes would add to the chosen plan, paid with what nothing else needed."""
        self._enter("headroom")
        room = self._accounts.most("headroom")
        tasks = self._parts["validation"][: len(chosen.outcomes)]
        try:
            found = await headroom_of(
                self._spec,
                runner,
                chosen,
                tasks,
                account=self._accounts.of("headroom"),
                room=room,
                finished=self._finished,
            )
        except SpendExhausted:
            found = None
        if found is None:
            self._notes.append(_NO_HEADROOM if scores_answers(self._spec.scorer, tasks) else _NO_SINGLES)
        return found or ()

    async def _serve_policy(self, policies: PolicyPhase, comparison: Comparison, cap: Cap) -> Service | None:
        self._test_reads += 1
        self._record("running")
        try:
            return await policies.serve(comparison, self._accounts.of("test"), cap)
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
        return StudyReport(
            study_id=spec.study_id,
            graph_hash=spec.graph.hash,
            cap=spec.cap,
            tasks={name: len(part) for name, part in self._parts.items()},
            clusters=task_clusters(spec.tasks).notes,
            plans_in_space=spec.space.size,
            plans_measured=len(evaluator.measured("fit")),
            runs=self._telling.runs,
            spend=spec.spend,
            paid=self._accounts.paid,
            lost=self._accounts.lost,
            stopped_early=not complete,
            frontier=reports,
            chosen=None if chosen is None else chosen.plan.hash,
            test_reads=self._test_reads + earlier_reads(spec, self._parts["test"]),
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
            usd=measurement.usd if self._spec.pool.costs_money else None,
            unscored=measurement.unscored,
        )
