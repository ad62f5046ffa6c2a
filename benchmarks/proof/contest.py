"""One search seed: all is chosen and fitted on fit and validation, then every policy meets the test questions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from apportion import UsageError
from apportion.optimizers.arrays import Ints
from apportion.optimizers.serving.replay_batch import serve_on_table
from apportion.optimizers.tables.table import Table

from .draws import Resample, Statistic
from .equal_cost import Neighbours, at_cost, neighbours
from .paths import anew, asked_of, choice_of, path_of, statistics_of
from .protocol import Protocol
from .squads import Entrant, contestants_named, entrants_of, halves, squads_of

__all__ = ["JOINT", "ContestOutcome", "Match", "Showing", "budgets_of", "hold"]

JOINT = "J"
_ORDERED = frozenset({"U", "R", "A", "R→A", "UpFront", "J", "JointSafe"})
"""Served in several orders; the others in one."""
_EXACT_DRAWS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Policies against each other on one pool of models, for one search seed."""

    name: str
    dev: Table
    """Fit and validation questions; the seed decides which are which."""
    test: Table
    budgets: Mapping[str, float]
    """Per question, by the name of the cap."""
    labels: tuple[str, ...]
    """Of the contestants; J among them."""
    seed: int
    protocol: Protocol
    heads: tuple[str, ...] = ()
    """The only score heads to compare; all where left out."""
    orders: int = 0
    """In how many orders the test questions are served under the governor."""
    exact: bool = False
    """Whether to choose anew on some of the draws, to see how well paths stand for that."""


@dataclass(frozen=True, slots=True, eq=False)
class Showing:
    """A policy at one cap."""

    label: str
    cap: str
    validation_score: float
    validation_cost: float
    score: Statistic
    """Per test question, with the allocation redone in every draw."""
    cost: Statistic
    matched: Statistic
    """The score on its own dial, where it costs what J cost; of J on J's."""
    mixed_cost: float
    """What it costs there: what J does, or an end of its dial where no budget makes it cost so much, or so little."""
    mixed_share: float
    """Of the questions, those that are served there under the dearer of two budgets."""
    served_scores: tuple[float, ...]
    """Under the governor, one for each order."""
    served_costs: tuple[float, ...]
    asked: Mapping[str, float]
    """By plan: on how many test questions it was run, as a stage of a cascade too."""


@dataclass(frozen=True, slots=True, eq=False)
class ContestOutcome:
    """What came of a match."""

    name: str
    seed: int
    showings: tuple[Showing, ...]
    head: str
    probe: str | None
    inexact: float
    """The largest difference in score, over the draws tried, between a path and choosing anew; NaN where none was."""
    seconds: float


def hold(match: Match) -> ContestOutcome:
    """Holds a match.

    Raises:
        UsageError: J is not among the labels, or one of them is nobody's.
    """
    started = time.perf_counter()
    contestants, protocol = contestants_named(match.labels), match.protocol
    if JOINT not in match.labels:
        raise UsageError("a match needs J: the others are compared with it at its cost")
    share = protocol.fit / (protocol.fit + protocol.validation)
    fit, validation = (match.dev.take(part) for part in halves(match.dev, match.seed, share))
    squads = squads_of(
        fit,
        validation,
        match.test,
        {contestant.kind for contestant in contestants},
        budget=float(np.median(list(match.budgets.values()))),
        seed=match.seed,
        portfolio=protocol.portfolio,
        heads=match.heads,
    )
    resample = Resample(len(match.test.questions), protocol.draws, 0)
    showings: list[Showing] = []
    inexact = [np.nan]
    for cap, entrants in entrants_of(contestants, squads, match.budgets, match.seed):
        showings += _shown_at(match, cap, entrants, resample)
        if match.exact:
            inexact.append(_inexact(entrants, match.budgets[cap], showings[-len(entrants) :], resample))
    free = squads["free"].predictor
    return ContestOutcome(
        match.name,
        match.seed,
        tuple(showings),
        free.head if free is not None else "",
        free.probe if free is not None else None,
        float(np.nanmax(inexact)) if match.exact else np.nan,
        time.perf_counter() - started,
    )


def budgets_of(validation: Table, caps: Mapping[str, float]) -> dict[str, float]:
    """What a question may cost on average at each cap: between the cheapest arm and the best static one.

    Args:
        validation: every candidate.
        caps: where each cap lies between the two, from 0 to 1, in equal ratios.
    """
    scores, costs = validation.mean_scores.mean(axis=0), validation.mean_costs.mean(axis=0)
    cheapest = float(costs.min())
    best = float(costs[np.lexsort((costs, -scores))[0]])
    if cheapest <= 0:
        raise UsageError("the cheapest arm costs nothing, so there is nothing for a cap to lie between")
    return {name: cheapest * (best / cheapest) ** place for name, place in caps.items()}


def _shown_at(match: Match, cap: str, entrants: Mapping[str, Entrant], resample: Resample) -> list[Showing]:
    """All entrants at one cap: under the governor, and each on its own dial where it costs what J cost there."""
    budget = match.budgets[cap]
    paths = {label: path_of(one.policy, one.test, one.test.batch(), budget) for label, one in entrants.items()}
    statistics = dict(zip(paths, statistics_of(list(paths.values()), resample), strict=True))
    served = {label: _served(match, one, budget) for label, one in entrants.items()}
    for label, runs in served.items():
        if runs:
            (score, cost), means = statistics[label], np.mean(runs, axis=0)
            statistics[label] = score.moved(float(means[0])), cost.moved(float(means[1]))
    wanted = statistics[JOINT][1]
    pairs: dict[str, Neighbours] = {
        label: neighbours(one.policy, one.test, one.test.batch(), budget, wanted.estimate)
        for label, one in entrants.items()
    }
    matched = at_cost(pairs, wanted, resample)
    found = []
    for label, one in entrants.items():
        validated = choice_of(one.policy, one.validation, one.validation.batch(), budget)
        found.append(
            Showing(
                label=label,
                cap=cap,
                validation_score=float(validated.scores.mean()),
                validation_cost=float(validated.costs.mean()),
                score=statistics[label][0],
                cost=statistics[label][1],
                matched=matched[label],
                mixed_cost=pairs[label].cost(wanted.estimate),
                mixed_share=pairs[label].share(wanted.estimate),
                served_scores=tuple(score for score, _ in served[label]),
                served_costs=tuple(cost for _, cost in served[label]),
                asked=_asked(one, paths[label].middle.arms) if label == JOINT else {},
            )
        )
    return found


def _served(match: Match, entrant: Entrant, budget: float) -> list[tuple[float, float]]:
    """Score and cost per question under the governor, for each order."""
    count = len(entrant.test.questions)
    every = -(-count // match.protocol.barriers)
    found = []
    for order in range(match.orders if entrant.contestant.label in _ORDERED else min(match.orders, 1)):
        table = entrant.test.take(np.random.default_rng([order, count]).permutation(count))
        service = serve_on_table(entrant.policy, table, budget * count, every=every)
        found.append((float(service.scores.mean()), float(service.costs.mean())))
    return found


def _asked(entrant: Entrant, chosen: Ints) -> dict[str, float]:
    """By plan as JSON, or by name where an arm has none."""
    plans = {arm.name: arm.plan or arm.name for arm in entrant.shows.arms}
    return {plans[name]: count for name, count in asked_of(entrant.policy.arms, entrant.shows, chosen).items()}


def _inexact(entrants: Mapping[str, Entrant], budget: float, showings: list[Showing], resample: Resample) -> float:
    """The largest difference in score between paths and choosing anew, over the first draws."""
    drawn = next(resample.drawn())[:_EXACT_DRAWS]
    gaps = [0.0]
    for showing in showings:
        if showing.label not in _ORDERED:
            continue
        one = entrants[showing.label]
        choice = choice_of(one.policy, one.test, one.test.batch(), budget)
        moved = showing.score.estimate - float(choice.scores.mean())
        for number, questions in enumerate(drawn):
            score, _ = anew(one.policy, one.test, budget, questions)
            gaps.append(abs(score - (showing.score.draws[number] - moved)))
    return max(gaps)
