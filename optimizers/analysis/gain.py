"""A policy beside what mixing fixed arms would have reached for the same cost."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..arrays import Floats, Ints
from ..bootstrap import Interval, mean_interval
from ..finding import Finding
from ..frontier import hull
from ..policies.base import ArmPolicy
from ..policies.stratified import wrong_costs_of
from ..serving.replay_batch import serve_on_table
from ..tables.split import best_arms, mean_at
from ..tables.strata import strata
from ..tables.table import UNANSWERED, Table
from ..tables.value import Shares, valued
from .simulate import Simulation, simulate

__all__ = ["ArmUse", "Price", "mixture_at", "price"]


class ArmUse(Finding):
    """What an arm was chosen for."""

    arm: str
    questions: int
    score: float
    """Mean over these questions."""
    cost: float
    """Mean over these questions, probes included."""


class Price(Finding):
    """What a policy got for what it spent; costs are means per question."""

    policy: str
    questions: int
    replicates: int
    unit: str
    budget: float
    score: Interval
    cost: float
    predicted: float
    """What the policy thought it would cost."""
    unanswered: float
    """The share of questions without an arm."""
    shares: Shares
    """What became of the questions: right, wrong, abstained, unanswered."""
    wrong_costs: float = 0.0
    """What a wrong answer costs: above 0, all scores here are values, see `valued`."""
    arms: tuple[ArmUse, ...]
    """The most used first."""
    capped_score: float
    """Under the hard cap of the governor, mean over replicates."""
    capped_cost: float
    best_arm: str
    """The best single arm within the budget, in hindsight; where arms were not run on some families, the best of those
    that were on each."""
    best_arm_score: float
    best_arm_cost: float
    mixture_score: float
    """Of the best mixture of single arms and abstention at the policy's own cost, in hindsight."""
    gain: Interval
    """The policy's score less that of the mixture, paired by question."""


def price(policy: ArmPolicy, table: Table, budget: float, *, seed: int = 0, wrong_costs: float | None = None) -> Price:
    """Prices a policy on known outcomes.

    Args:
        policy: its arms are arms of the table, or cascades of these.
        table: what every arm scored and cost; questions that the policy has not learned from.
        budget: what a question may cost on average, in the unit of the table.
        seed: of the intervals.
        wrong_costs: what a wrong answer costs, see `valued`; what the policy was fitted with where left out.

    Raises:
        UsageError: the table lacks an arm or the probe of the policy, or the policy chooses an arm where it was not
            run.
    """
    count, replicates = len(table.questions), table.scores.shape[2]
    table = valued(table, wrong_costs_of(policy) if wrong_costs is None else wrong_costs)
    found = simulate(policy, table, budget * count, seed=seed, wrong_costs=table.wrong_costs)
    served = [serve_on_table(policy, table, budget * count, replicate=r) for r in range(replicates)]
    cost = found.cost / count
    best = best_arms(table, budget)
    mixture = mixture_at(table, cost)
    return Price(
        policy=policy.name,
        questions=count,
        replicates=replicates,
        unit=table.unit,
        budget=budget,
        score=found.score,
        cost=cost,
        predicted=found.predicted / count,
        unanswered=found.unanswered,
        shares=found.shares,
        wrong_costs=table.wrong_costs,
        arms=_uses(found),
        capped_score=float(np.mean([service.scores.mean() for service in served])),
        capped_cost=float(np.mean([service.costs.mean() for service in served])),
        best_arm=" or ".join(table.arms[arm].name for arm in dict.fromkeys(best.tolist())),
        best_arm_score=mean_at(table.mean_scores, best),
        best_arm_cost=mean_at(table.mean_costs, best),
        mixture_score=float(mixture.mean()),
        gain=mean_interval(found.scores - mixture, seed=seed),
    )


def mixture_at(table: Table, cost: float) -> Floats:
    """What the best mixture of single arms would score on each question at a cost: the bar for choosing by question.

    The two arms of the upper hull around the cost are drawn at random; its left end is to abstain at no cost. Chosen in
    hindsight on these questions, so that it is a little better than any mixture one could have known before. Where arms
    were not run on some families, each set of arms has its hull, and the steepest pieces of all hulls are bought first.

    Args:
        table: what every arm scored and cost.
        cost: per question, in the unit of the table.

    Returns:
        (questions,): expected scores.
    """
    mixed, left = np.zeros(len(table.questions)), cost * len(table.questions)
    pieces: list[tuple[float, float, Ints, Floats]] = []
    for stratum in strata(table):
        asked = len(stratum.questions)
        scores = np.column_stack([stratum.table.mean_scores, np.zeros(asked)])
        means, reached = np.append(stratum.table.mean_costs.mean(axis=0), 0.0), scores.mean(axis=0)
        corners = hull(means, reached)
        mixed[stratum.questions] = scores[:, corners[0]]
        left -= float(means[corners[0]]) * asked
        for low, high in pairwise(corners):
            more, dearer = reached[high] - reached[low], (means[high] - means[low]) * asked
            pieces.append((more * asked / dearer, dearer, stratum.questions, scores[:, high] - scores[:, low]))
    for _, dearer, questions, gains in sorted(pieces, key=lambda piece: -piece[0]):
        share = min(1.0, max(0.0, left / dearer))
        mixed[questions] += share * gains
        left -= share * dearer
    return mixed


def _uses(found: Simulation) -> tuple[ArmUse, ...]:
    uses = []
    for number in np.unique(found.arms[found.arms != UNANSWERED]):
        taken = found.arms == number
        name = found.available[number].name
        score, cost = float(found.scores[taken].mean()), float(found.costs[taken].mean())
        uses.append(ArmUse(arm=name, questions=int(taken.sum()), score=score, cost=cost))
    return tuple(sorted(uses, key=lambda use: -use.questions))
