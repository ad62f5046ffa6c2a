"""One search seed: all is chosen and fitted on fit and validation, then every policy meets the test questions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from apportion.errors import UsageError
from apportion.optimizers.arrays import Ints
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.registry import policy_named
from apportion.optimizers.prediction.predictor import Predictor, fit_predictor
from apportion.optimizers.serving.replay_batch import serve_on_table
from apportion.optimizers.tables.table import Lesson, Table

from .draws import Resample, Statistic
from .mixture import Mixture, Sweep, executed, sweep_of
from .paths import PathChoice, anew, choice_of, path_of, statistics_of
from .portfolios import Kind, portfolio_of, shown, with_whole_vectors
from .protocol import CONTESTANTS, Contestant, Protocol

__all__ = ["ContestOutcome", "Match", "Showing", "budgets_of", "halves", "hold"]

JOINT = "J"
_ORDERED = frozenset({"U", "R", "A", "R→A", "J", "JointSafe"})
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
    matched: Statistic | None
    """The score of its mixture hull at J's realised cost; None for J."""
    mixed_cost: float
    """What its mixture cost on test."""
    mixed_share: float
    """Of the questions, those that the mixture served under its dearer budget."""
    served_scores: tuple[float, ...]
    """Under the governor, one for each order."""
    served_costs: tuple[float, ...]
    given: Mapping[str, tuple[int, float]]
    """By arm: how many test questions it was given, and what they cost together."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The tables of a policy family, with what its predictor made of their questions."""

    fit: Table
    validation: Table
    test: Table
    predictor: Predictor | None

    def known_to(self, predictor: Predictor) -> _Parts:
        """The same, with forecasts."""

        def prepared(table: Table) -> Table:
            return replace(table, known=predictor.prepared(table.batch()).known)

        return _Parts(prepared(self.fit), prepared(self.validation), prepared(self.test), predictor)


def hold(match: Match) -> ContestOutcome:
    """Holds a match.

    Raises:
        UsageError: J is not among the labels, or one of them is nobody's.
    """
    started = time.perf_counter()
    entrants = _entrants(match)
    squads = _squads(match, {entrant.kind for entrant in entrants})
    resample = Resample(len(match.test.questions), match.protocol.draws, 0)
    showings: list[Showing] = []
    inexact = [np.nan]
    for cap, budget in match.budgets.items():
        fitted = {entrant.label: _fitted(match, entrant, squads, budget) for entrant in entrants}
        showings += _shown_at(match, cap, budget, fitted, resample)
        if match.exact:
            inexact.append(_inexact(fitted, budget, showings[-len(fitted) :], resample))
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


def halves(dev: Table, seed: int, share: float) -> tuple[Ints, Ints]:
    """Splits questions into fit and validation at random, each family by itself.

    Args:
        dev: the questions.
        seed: of the split.
        share: of each family, what goes to fit.
    """
    generator = np.random.default_rng([seed, len(dev.questions)])
    families: dict[str, list[int]] = {}
    for number, question in enumerate(dev.questions):
        families.setdefault(question.family, []).append(number)
    fit: list[int] = []
    for members in families.values():
        fit += generator.permutation(members)[: round(share * len(members))].tolist()
    chosen = np.zeros(len(dev.questions), bool)
    chosen[fit] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


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


def _entrants(match: Match) -> list[Contestant]:
    known = {contestant.label: contestant for contestant in CONTESTANTS}
    for label in match.labels:
        if label not in known:
            raise UsageError(f"no contestant {label!r}; there are {', '.join(known)}")
    if JOINT not in match.labels:
        raise UsageError("a match needs J: the others are compared with it at its cost")
    return [known[label] for label in match.labels]


def _squads(match: Match, kinds: Iterable[Kind]) -> dict[Kind, _Parts]:
    """For each family its portfolio and, where its policies need one, a predictor; the head is chosen once."""
    protocol = match.protocol
    share = protocol.fit / (protocol.fit + protocol.validation)
    fit, validation = (match.dev.take(part) for part in halves(match.dev, match.seed, share))
    nodes = sorted({node for arm in match.dev.arms for node, _ in arm.models})
    middle = float(np.median(list(match.budgets.values())))
    heads = match.heads
    squads: dict[Kind, _Parts] = {}
    for kind in sorted(set(kinds), key=("free", "route", "allocate", "static").index):
        entries = portfolio_of(kind, fit, protocol.portfolio)
        if kind in ("free", "route"):
            entries = with_whole_vectors(entries, nodes)
        parts = _Parts(shown(fit, entries), shown(validation, entries), shown(match.test, entries), None)
        if kind != "static":
            lesson = Lesson(parts.fit, parts.validation, middle, match.seed)
            predictor = fit_predictor(lesson, head=heads[0] if len(heads) == 1 else None)
            heads = (predictor.head,)
            parts = parts.known_to(predictor)
        squads[kind] = parts
    return squads


def _fitted(
    match: Match, entrant: Contestant, squads: Mapping[Kind, _Parts], budget: float
) -> tuple[ArmPolicy, _Parts]:
    """The entrant's policy for a cap."""
    parts = squads[entrant.kind]
    lesson = Lesson(parts.fit, parts.validation, budget, match.seed)
    make = policy_named(entrant.policy)
    from_predictor = getattr(make, "from_predictor", None)
    if from_predictor is None or parts.predictor is None:
        return make.fit(lesson), parts
    return from_predictor(lesson, parts.predictor), parts


def _shown_at(
    match: Match, cap: str, budget: float, fitted: Mapping[str, tuple[ArmPolicy, _Parts]], resample: Resample
) -> list[Showing]:
    """All entrants at one cap: their paths, and the rivals' mixtures at what J really cost."""
    paths = {
        label: path_of(policy, parts.test, parts.test.batch(), budget) for label, (policy, parts) in fitted.items()
    }
    served = {label: _served(match, label, policy, parts, budget) for label, (policy, parts) in fitted.items()}
    statistics = dict(zip(paths, statistics_of(list(paths.values()), resample), strict=True))
    for label, runs in served.items():
        if runs:
            score, cost = statistics[label]
            means = np.mean(runs, axis=0)
            statistics[label] = score.moved(float(means[0])), cost.moved(float(means[1]))
    matched = _matched(match, fitted, statistics[JOINT][1], resample)
    found = []
    for label, (policy, parts) in fitted.items():
        validated = choice_of(policy, parts.validation, parts.validation.batch(), budget)
        mixture, mixed, score_there = matched[label]
        found.append(
            Showing(
                label=label,
                cap=cap,
                validation_score=float(validated.scores.mean()),
                validation_cost=float(validated.costs.mean()),
                score=statistics[label][0],
                cost=statistics[label][1],
                matched=None if label == JOINT else score_there,
                mixed_cost=float(mixed.costs.mean()),
                mixed_share=mixture.share,
                served_scores=tuple(score for score, _ in served[label]),
                served_costs=tuple(cost for _, cost in served[label]),
                given=_given(paths[label].middle, policy, parts.test),
            )
        )
    return found


def _matched(
    match: Match, fitted: Mapping[str, tuple[ArmPolicy, _Parts]], joint_cost: Statistic, resample: Resample
) -> dict[str, tuple[Mixture, PathChoice, Statistic]]:
    """Everybody at J's realised cost: a mixture executed on test, moved along its hull by what it cost too much."""
    caps = tuple(match.budgets.values())
    mixtures, mixed = {}, {}
    for label, (policy, parts) in fitted.items():
        sweep: Sweep = sweep_of(policy, parts.validation, parts.validation.batch(), caps)
        mixtures[label] = sweep.at(joint_cost.estimate)
        mixed[label] = executed(policy, parts.test, parts.test.batch(), mixtures[label], match.seed)
    columns = np.column_stack([column for choice in mixed.values() for column in (choice.scores, choice.costs)])
    means = Statistic.means(columns, resample)
    return {
        label: (mixture, mixed[label], score + mixture.slope * (joint_cost - cost))
        for (label, mixture), score, cost in zip(mixtures.items(), means[0::2], means[1::2], strict=True)
    }


def _served(match: Match, label: str, policy: ArmPolicy, parts: _Parts, budget: float) -> list[tuple[float, float]]:
    """Score and cost per question under the governor, for each order."""
    count = len(parts.test.questions)
    every = -(-count // match.protocol.barriers)
    found = []
    for order in range(match.orders if label in _ORDERED else min(match.orders, 1)):
        table = parts.test.take(np.random.default_rng([order, count]).permutation(count))
        service = serve_on_table(policy, table, budget * count, every=every)
        found.append((float(service.scores.mean()), float(service.costs.mean())))
    return found


def _given(choice: PathChoice, policy: ArmPolicy, table: Table) -> dict[str, tuple[int, float]]:
    if any(arm.stages for arm in policy.arms):
        return {}
    return {
        table.arms[arm].plan or table.arms[arm].name: (
            int((choice.arms == arm).sum()),
            float(choice.costs[choice.arms == arm].sum()),
        )
        for arm in np.unique(choice.arms[choice.arms >= 0]).tolist()
    }


def _inexact(
    fitted: Mapping[str, tuple[ArmPolicy, _Parts]], budget: float, showings: list[Showing], resample: Resample
) -> float:
    """The largest difference in score between paths and choosing anew, over the first draws."""
    drawn = next(resample.drawn())[:_EXACT_DRAWS]
    gaps = [0.0]
    for showing in showings:
        if showing.label not in _ORDERED:
            continue
        policy, parts = fitted[showing.label]
        choice = choice_of(policy, parts.test, parts.test.batch(), budget)
        moved = showing.score.estimate - float(choice.scores.mean())
        for number, questions in enumerate(drawn):
            score, _ = anew(policy, parts.test, budget, questions)
            gaps.append(abs(score - (showing.score.draws[number] - moved)))
    return max(gaps)
