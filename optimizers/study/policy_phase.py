"""The part of a study in which policies are fitted, one is chosen, and it meets the test part."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...budgets.cap import Cap, in_unit
from ...errors import UsageError
from ...graphs.bounds import Bounds
from ...graphs.plan import Plan
from ...graphs.run import Runner
from ...records.task import Task
from ..arrays import Ints
from ..bootstrap import mean_interval
from ..policies.arm_means import ArmMeans
from ..policies.static import Static
from ..prediction.confidence import confidence_reports
from ..search.base import Proposal
from ..search.measurement import Measurement
from ..serving.governor import Governor
from ..serving.policy import DeployedPolicy
from ..serving.replay_batch import serve_on_table
from ..serving.service import Service
from ..tables.arms import arm_of
from ..tables.portfolio import choose_portfolio, portfolio_prices
from ..tables.probes import probe_graph, probe_names
from ..tables.table import UNANSWERED, Arm, Batch, Table, joined, question_of
from .cost_forecast import CostForecast
from .node_reasons import explain
from .policy_selection import ARMS, Comparison, compare, portfolio_of_study, table_of
from .report import ArmReport, NodeReport, PoliciesReport, PolicyTest
from .scores import score_of
from .spec import StudySpec
from .thin_spend import Fallback
from .trials import TrialEvaluator

__all__ = ["PolicyPhase"]

_NO_LIMIT = 1e12
"""A budget per question that no arm reaches."""
_TOO_DEAR = "the spend did not reach for running a second plan on all of fit and validation; a larger one would"
_ONLY_PLAN = "the graph has one plan only, so there is nothing to choose"


class PolicyPhase:
    """Fits policies to what a study measured, and serves the test part with the chosen one.

    Args:
        spec: of the study.
        parts: its tasks, in the common order.
        runner: of its graph.
        forecast: of what plans may pay.
        told: called after every run.
        phase: called when another phase begins, with its name.
    """

    def __init__(
        self,
        spec: StudySpec,
        parts: Mapping[str, Sequence[Task]],
        runner: Runner,
        forecast: CostForecast,
        *,
        told: Callable[[object], None],
        phase: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._parts = parts
        self._runner = runner
        self._forecast = forecast
        self._told = told
        self._phase = phase
        self._budget = spec.cap.mean_per_task(sum(len(part) for part in parts.values()))

    async def compare(
        self,
        evaluator: TrialEvaluator,
        always: Sequence[Plan],
        *,
        room: float,
        account: str,
    ) -> Comparison:
        """Chooses a portfolio, tabulates it, and compares policies.

        A search for the best plan drops plans early that are good at a few questions only, or too dear for all of them.
        To a policy these may be worth most. So a portfolio of all plans is chosen by what the search saw first, its
        arms are measured on all of fit, and the portfolio is chosen again among all that were.

        Args:
            evaluator: of the study; has measured plans on fit and on validation.
            always: plans that belong to the portfolio, the most important first; they are measured on all of fit before
                others are.
            room: what may be paid.
            account: pays for it.

        Raises:
            SpendExhausted: the account cannot pay for it after all.
            UsageError: there is nothing to choose from, or there are too few tasks; the message says why.
        """
        tasks = len(self._parts["fit"])
        if not evaluator.measured("fit"):  # validation may have the likeliest plan of trials that were cut short
            raise UsageError(_TOO_DEAR)
        dropped = await self._widen(evaluator.paying("fit", account), always, room / 2)
        measured = [found for found in evaluator.measured("fit").values() if len(found.outcomes) == tasks]
        if len(measured) < 2:
            raise UsageError(_TOO_DEAR if dropped else self._alone(list(evaluator.measured("fit").values())))
        validated = evaluator.measured("validation")
        table = self._table(measured, tasks)
        room /= 2
        probes = self._probes()
        looking = self._looking(probes)
        # Probes only where they leave most of the room to the arms.
        probes, looking = (probes, looking) if looking <= room / 4 else ((), 0.0)
        new = {i: found for i, found in enumerate(measured) if found.plan.hash not in validated}

        def affordable(arms: Sequence[int]) -> bool:
            unseen = [new[arm] for arm in arms if arm in new]
            return looking + self._paid(unseen, len(self._parts["validation"])) <= room

        known = [plan for plan in always if any(found.plan == plan for found in measured)]
        chosen = portfolio_of_study(table, known, affordable)
        if not chosen:
            raise UsageError(_TOO_DEAR)
        if len(chosen) == 1:
            raise UsageError(self._alone(measured, measured[chosen[0]]))
        self._phase("tabulating")
        return await compare(
            self._runner,
            [measured[arm].plan for arm in chosen],
            self._parts,
            self._spec.scorer,
            self._spec.policies,
            budget=self._budget,
            cap=self._spec.cap,
            account=account,
            probes=probes,
            seed=self._spec.seed,
            wrong_costs=self._spec.wrong_costs,
            finished=self._told,
            fitting=lambda: self._phase("fitting"),
        )

    def _alone(self, seen: Sequence[Measurement], best: Measurement | None = None) -> str:
        """Why there is nothing to choose: one plan stands alone among those that were seen."""
        if len(seen) == 1:
            size = self._runner.space.size
            return _ONLY_PLAN if size == 1 else f"the search's part of the spend measured one plan only, of {size:,}"
        first = min(len(found.outcomes) for found in seen)
        plans = [found.first(first) for found in seen]
        best = max(plans, key=lambda found: (found.score, -found.cost)) if best is None else best.first(first)
        name = best.plan.hash[:8]
        if all(best.score >= found.score and best.cost <= found.cost for found in plans):
            return f"plan {name} is at least as good and as cheap as all others, so there is nothing to choose"
        return f"no other plan would add anything to plan {name} on any kind of task, so there is nothing to choose"

    async def _widen(self, evaluator: TrialEvaluator, always: Sequence[Plan], room: float) -> bool:
        """Measures on all of fit what the search dropped early: first what belongs to the portfolio anyway.

        Without the best plan for all, policies would be compared to each other and not to what they are to beat.

        Returns:
            Whether the room was too small for some of them.
        """
        known = evaluator.measured("fit")
        seen = list(known.values())
        tasks, first = len(self._parts["fit"]), min(len(found.outcomes) for found in seen)
        table = self._table([found.first(first) for found in seen], first)
        portfolio = choose_portfolio(table, size=min(ARMS, len(seen)), prices=portfolio_prices(table))
        wanted = [known[plan.hash] for plan in always if plan.hash in known] + [seen[arm] for arm in portfolio]
        proposals: list[Proposal] = []
        dropped = False
        for found in {found.plan.hash: found for found in wanted}.values():
            cost = self._paid([found], tasks - len(found.outcomes))
            if len(found.outcomes) == tasks:
                continue
            if cost > room:
                dropped = True
                continue
            room -= cost
            proposals.append(Proposal(found.plan, tasks))
        await evaluator.measure(proposals, "fit")
        return dropped

    def _table(self, measured: Sequence[Measurement], tasks: int, part: str = "fit") -> Table:
        return table_of(measured, self._parts[part][:tasks], self._runner, self._spec.cap.unit)

    async def serve(self, comparison: Comparison, account: str, cap: Cap) -> Service:
        """Serves the test part with the chosen policy, once, as a batch under a hard cap, which is for all tasks.

        Raises:
            SpendExhausted: the account cannot pay for it.
        """
        tasks = self._parts["test"]
        return await Governor(comparison.policy, self._runner, arms=_others(comparison)).serve(
            tasks,
            cap,
            of=sum(len(part) for part in self._parts.values()),
            parent_account=account,
            scorer=self._spec.scorer,
            finished=self._told,
        )

    def report(self, comparison: Comparison, service: Service | None, static: Measurement | None) -> PoliciesReport:
        """What is told of the policies.

        Args:
            comparison: of the policies.
            service: of the test part, where it was served.
            static: the chosen plan on the test part, where it was served.
        """
        arms = comparison.policy.arms
        if service is None:
            validation = comparison.validation
            served = serve_on_table(comparison.policy, validation, len(validation.questions) * comparison.budget)
            planned, used, batch = served.planned, served.arms, validation.batch()
        else:
            numbers = {"": UNANSWERED} | {arm.name: number for number, arm in enumerate(arms)}
            planned = np.array([numbers[one.planned] for one in service.served], np.intp)
            used = np.array([numbers[one.arm] for one in service.served], np.intp)
            batch = service.asked
        counted = Counter(used.tolist())
        return PoliciesReport(
            arms=tuple(
                ArmReport(
                    plan_hash=arm.name,
                    plan=json.loads(arm.plan) if arm.plan else {},
                    questions=counted[number],
                )
                for number, arm in enumerate(arms)
            ),
            tabulated={"fit": len(comparison.fit.questions), "validation": len(comparison.validation.questions)},
            budget=comparison.budget,
            scores=comparison.scores,
            chosen=comparison.chosen,
            member=comparison.member,
            probe=comparison.policy.probe,
            test=None if service is None else self._tested(service, static),
            nodes=self._nodes(comparison, batch, used, planned),
            wrong_costs=self._spec.wrong_costs,
            confidences=confidence_reports(joined(comparison.fit, comparison.validation), self._spec.seed),
        )

    def deployed(self, comparison: Comparison) -> DeployedPolicy:
        """The chosen policy, ready to use; its reference questions are those of validation, then of fit."""
        tables = (comparison.validation, comparison.fit)
        probes = {
            probe.name: np.concatenate([table.probes[i].values for table in tables])
            for i, probe in enumerate(comparison.fit.probes)
        }
        reference = Batch(tuple(question for table in tables for question in table.questions), probes)
        return DeployedPolicy(
            self._spec.graph,
            self._spec.pool,
            comparison.policy,
            reference,
            budget=comparison.budget,
            unit=self._spec.cap.unit,
            others=_others(comparison),
        )

    def static(self, chosen: Measurement) -> DeployedPolicy:
        """The chosen plan for every question, as a policy: what is left where there is nothing to choose.

        Args:
            chosen: the plan on validation.
        """
        spec, table = self._spec, self._table([chosen], len(chosen.outcomes), "validation")
        policy = Static(means=ArmMeans.of(table))
        return DeployedPolicy(spec.graph, spec.pool, policy, table.batch(), budget=self._budget, unit=spec.cap.unit)

    def untested(self, found: Fallback) -> DeployedPolicy:
        """A plan of which little or nothing is known, as a policy.

        Its costs are those of the few runs that there were, or else a forecast.
        """
        spec, seen = self._spec, found.seen
        charged = np.array([self._forecast.charged(found.plan)]) if seen is None else seen.costs
        means = ArmMeans(
            arms=(arm_of(found.plan, self._runner.space),),
            scores=np.array([0.0 if seen is None else seen.score]),
            costs=np.array([charged.mean()]),
            high=np.array([charged.max()]),
        )
        reference = Batch(tuple(question_of(task) for task in self._parts["validation"]))
        return DeployedPolicy(
            spec.graph, spec.pool, Static(means=means), reference, budget=self._budget, unit=spec.cap.unit
        )

    def _nodes(self, comparison: Comparison, batch: Batch, used: Ints, planned: Ints) -> tuple[NodeReport, ...]:
        unlimited = comparison.policy.assign(batch, _NO_LIMIT * len(batch)).arms
        return explain(
            self._runner.space,
            comparison.policy.arms,
            [question.family for question in batch.questions],
            served=used,
            planned=planned,
            unlimited=unlimited,
            others=_others(comparison),
        )

    def _tested(self, service: Service, static: Measurement | None) -> PolicyTest:
        seed, unit = self._spec.seed, self._spec.cap.unit
        lost = np.array([in_unit(one.lost, unit) for one in service.served], np.float64)
        usd = float(np.mean([in_unit(one.charged, "usd") for one in service.served]))
        price = self._spec.wrong_costs
        values = service.values(price)
        score = score_of(
            values,
            service.costs,
            lost,
            coverage=service.coverage,
            seed=seed,
            usd=usd if self._spec.pool.costs_money else None,
            unscored=sum(bool(one.unscored) for one in service.served),
        )
        return PolicyTest(
            score=score,
            static=None if static is None else static.plan.hash,
            gain=None if static is None else mean_interval(values - static.values(price), seed=seed),
            swapped=sum(one.arm != one.planned for one in service.served),
            unspent=service.unspent,
            why_unspent=service.why_unspent,
            shares=service.shares,
        )

    def _paid(self, measured: Sequence[Measurement], tasks: int) -> float:
        """What running plans on further tasks may pay: their cost so far, less what a forecast says that they share."""
        if not measured:
            return 0.0
        apart = sum(self._forecast.charged(found.plan) for found in measured) * tasks
        shared = self._forecast.paid([Proposal(found.plan, tasks) for found in measured]) / apart if apart else 1.0
        return sum(found.cost for found in measured) * tasks * shared

    def _probes(self) -> tuple[str, ...]:
        typical = sorted(self._parts["fit"], key=lambda task: len(task.question))[len(self._parts["fit"]) // 2]
        return probe_names(self._spec.pool, typical, self._spec.cap.unit)

    def _looking(self, probes: Sequence[str]) -> float:
        """The most that probes of fit and validation can pay."""
        tasks = [*self._parts["fit"], *self._parts["validation"]]
        unit, total = self._spec.cap.unit, 0.0
        for name in probes:
            graph = probe_graph(name)
            bounds = Bounds(graph.space(self._spec.pool), unit)
            plan = graph.space(self._spec.pool).default()
            for task in tasks:
                bound = bounds.of(plan, task)
                total += in_unit(bound.total - bound.allowance, unit)
        return total


def _others(comparison: Comparison) -> tuple[Arm, ...]:
    """Arms that the stages of the chosen policy's cascades name and that are not arms of its own."""
    arms = comparison.policy.arms
    named = {stage.arm for arm in arms for stage in arm.stages} - {arm.name for arm in arms}
    return tuple(arm for arm in comparison.fit.arms if arm.name in named)
