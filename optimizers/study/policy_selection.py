"""Within a study: a portfolio of arms is tabulated, policies are fitted to it and compared, and one is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...budgets.cap import Cap
from ...errors import UsageError
from ...graphs.plan import Plan
from ...graphs.result import Metric, Result
from ...graphs.run import Runner
from ...records.rows import Unit
from ...records.task import Task
from ..analysis.gain import mixture_at
from ..bootstrap import mean_interval, within_one_error
from ..policies.base import ArmPolicy, MakePolicy
from ..policies.joint_safe import JointSafe
from ..policies.registry import fit_all
from ..search.measurement import Measurement
from ..serving.replay_batch import TableService, serve_on_table
from ..tables.arms import arm_of
from ..tables.cascades import outcomes_of, replay
from ..tables.portfolio import choose_portfolio, portfolio_prices
from ..tables.table import UNANSWERED, Lesson, Table, question_of
from ..tables.tabulate import tabulate
from ..tables.value import Shares, valued
from .plan_report import PolicyScore

__all__ = ["ARMS", "POLICIES_COMPARED", "Comparison", "compare", "portfolio_of_study", "rank", "table_of"]

POLICIES_COMPARED = (
    "static",
    "static_mix",
    "cascade",
    "cascade_by_family",
    "allocate_only",
    "route_only",
    "route_then_allocate",
    "joint_up_front",
    "joint",
    "sequential",
    "joint_safe",
)
"""From the simplest on."""
ARMS = 16
"""The most arms of a portfolio."""
_FEWEST_TASKS = 10
"""Of fit or of validation; with fewer nothing can be learned of single questions."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Policies of one study."""

    fit: Table
    validation: Table
    budget: float
    """Per task, in the unit of the tables."""
    policies: Mapping[str, ArmPolicy]
    """From the simplest on."""
    scores: tuple[PolicyScore, ...]
    """In the same order."""
    chosen: str

    @property
    def policy(self) -> ArmPolicy:
        """The chosen one."""
        return self.policies[self.chosen]

    @property
    def member(self) -> str:
        """What the chosen policy is at this budget."""
        return self.policy.member(self.budget).name if isinstance(self.policy, JointSafe) else self.chosen


def table_of(measured: Sequence[Measurement], tasks: Sequence[Task], runner: Runner, unit: Unit) -> Table:
    """What a search has measured already, as a table; the measurements are on all of the tasks, in their order."""
    return Table(
        tuple(question_of(task) for task in tasks),
        tuple(arm_of(found.plan, runner.space) for found in measured),
        np.stack([found.scores for found in measured], axis=1)[:, :, None],
        np.stack([found.costs for found in measured], axis=1)[:, :, None],
        unit,
    )


def portfolio_of_study(table: Table, always: Sequence[Plan], affordable: Callable[[Sequence[int]], bool]) -> list[int]:
    """The arms worth tabulating: as many as there is room for, at most 16.

    Args:
        table: the candidates on the fit part.
        always: plans that must be among them.
        affordable: whether the rest of the tabulation can be paid for, given the numbers of the arms.

    Returns:
        Numbers of arms; one where no other adds anything, none where not even two can be paid for.
    """
    must = list(dict.fromkeys(table.arm(plan.hash) for plan in always))
    prices = portfolio_prices(table)
    for size in range(min(ARMS, len(table.arms)), max(1, len(must) - 1), -1):
        chosen: list[int] = choose_portfolio(table, size=size, prices=prices, always=must).tolist()
        if len(chosen) == 1 or affordable(chosen):
            return chosen
    return []


async def compare(
    runner: Runner,
    plans: Sequence[Plan],
    parts: Mapping[str, Sequence[Task]],
    scorer: Metric,
    policies: Mapping[str, MakePolicy],
    *,
    budget: float,
    cap: Cap,
    account: str,
    probes: Sequence[str] = (),
    seed: int = 0,
    wrong_costs: float = 0.0,
    finished: Callable[[Result], None] | None = None,
    fitting: Callable[[], None] | None = None,
) -> Comparison:
    """Tabulates plans on fit and validation, fits policies for a budget, and compares them on validation.

    On validation each policy serves the whole part as one batch, under the hard cap that its budget makes. The choice
    is the rule of `JointSafe`: the first policy within one standard error of the best, in the paired differences
    (Breiman et al. 1984). `JointSafe` itself comes first, because it is as simple as can be where that is as good; then
    the others, from the simplest on.

    Args:
        runner: of the plans' graph.
        plans: of the portfolio.
        parts: tasks of "fit" and of "validation".
        scorer: the metric.
        policies: by name. Those that need what the tables lack are left out.
        budget: what a task may cost on average, in the unit of the cap.
        cap: limits each task where it says so.
        account: pays for it.
        probes: names of probes to take.
        seed: of all that is fitted, and of the intervals.
        wrong_costs: what a wrong answer costs, see `valued`; policies are fitted and compared by values.
        finished: called after every run.
        fitting: called when all is tabulated.

    Raises:
        SpendExhausted: the account cannot pay for the tables.
        UsageError: none of the policies can be fitted.
    """
    tables = {}
    for part in ("fit", "validation"):
        tables[part] = await tabulate(
            runner,
            plans,
            parts[part],
            scorer,
            unit=cap.unit,
            probes=probes,
            account=account,
            cap=cap,
            finished=finished,
        )
    if fitting is not None:
        fitting()
    fit, validation = (valued(tables[part], wrong_costs) for part in ("fit", "validation"))
    lesson = Lesson(fit, validation, budget, seed, judged=True)
    return await asyncio.to_thread(_fitted, lesson, _possible(policies, lesson))


def _fitted(lesson: Lesson, makers: Sequence[MakePolicy]) -> Comparison:
    policies = fit_all(makers, lesson)
    scores, chosen = rank(policies, lesson.validation, lesson.budget, seed=lesson.seed)
    return Comparison(lesson.fit, lesson.validation, lesson.budget, policies, scores, chosen)


def rank(
    policies: Mapping[str, ArmPolicy], table: Table, budget: float, *, seed: int = 0
) -> tuple[tuple[PolicyScore, ...], str]:
    """Serves a table with each policy as one batch under the hard cap, and says which to take.

    Args:
        policies: by name, from the simplest on.
        table: what every arm scored and cost; at least one question. Of values where wrong answers cost something.
        budget: what a question may cost on average.
        seed: of the intervals.

    Returns:
        The scores in the same order, and the name of the first, `JointSafe` before others, within one standard error
        of the best.
    """
    services = {name: serve_on_table(policy, table, len(table.questions) * budget) for name, policy in policies.items()}
    replayed = {name: replay(policy.arms, table.replicates([0])) for name, policy in policies.items()}
    best = max(services, key=lambda name: float(services[name].scores.mean()))
    behind = {name: services[best].scores - service.scores for name, service in services.items()}
    scores = []
    for name, service in services.items():
        interval = mean_interval(service.scores, seed=seed)
        cost = float(service.costs.mean())
        scores.append(
            PolicyScore(
                policy=name,
                score=interval.mean,
                low=interval.low,
                high=interval.high,
                cost=cost,
                unanswered=float((service.arms == UNANSWERED).mean()),
                behind=mean_interval(behind[name], seed=seed),
                gain=mean_interval(service.scores - mixture_at(table, cost), seed=seed),
                usd=_usd(policies[name], table, service),
                shares=Shares.of(replayed[name], service.final[:, None]),
            )
        )
    ours_first = sorted(policies, key=lambda name: name != JointSafe.name)
    return tuple(scores), next(name for name in ours_first if within_one_error(behind[name]))


def _usd(policy: ArmPolicy, table: Table, service: TableService) -> float | None:
    """What a question was charged in dollars; None where there are no prices."""
    if table.money is None or table.unit == "usd":
        return None
    dollars = outcomes_of(policy.arms, replace(table, costs=table.money))[1][:, :, 0]
    return float(np.mean([dollars[question, list(asked)].sum() for question, asked in enumerate(service.asked)]))


def _possible(policies: Mapping[str, MakePolicy], lesson: Lesson) -> list[MakePolicy]:
    """The policies without those that need to see something of answers where nothing shows."""
    if min(len(lesson.fit.questions), len(lesson.validation.questions)) < _FEWEST_TASKS:
        raise UsageError(f"policies need at least {_FEWEST_TASKS} tasks in fit and in validation")
    shown = lesson.fit.shows_answers and lesson.validation.shows_answers
    return [make for name, make in policies.items() if name != "cascade" or shown]
