"""The whole comparison on tables that were measured: all matches, on as many processes as asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from apportion.optimizers.tables.table import Table

from .conclude import control_gains, dose_of, node_shares, planned_results, ranged, standing_of
from .contest import ContestOutcome, Match, budgets_of
from .controls import clones, dominated
from .draws import Resample, Statistic
from .findings import ControlGain, Dose, Gap, NodeShare, PlannedResult, Standing
from .kept import hold_once
from .oracle import oracle
from .processes import in_processes
from .protocol import CONTESTANTS, Protocol
from .squads import halves

__all__ = ["Evidence", "Proof", "hidden_texts", "of_families", "of_models", "prove"]

Told = Callable[[str], None]
Key = tuple[str, str]
"""Pool, and unit or kind of questions."""

_MAIN = ("U", "StaticMix", "R", "A", "R→A", "FrugalGPT", "Cascades", "UpFront", "J", "JointSafe")
_CONTROL = ("R", "A", "R→A", "J", "JointSafe")
_NEAREST = ("R→A", "UpFront", "J")
_NOTHING_TO_GAIN = {"clones": clones, "dominated": dominated}


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was measured, with costs in one unit."""

    dev: Table
    """Fit and validation questions, every candidate, one replicate."""
    test: Table
    """Test questions, every candidate, one replicate."""
    replicated: Table
    """Some of the test questions and a portfolio, in several replicates."""
    pair_dev: Table
    """The arms of one model, in two replicates."""
    pair_test: Table

    @property
    def unit(self) -> str:
        """Of the costs."""
        return self.test.unit


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What the matches came to."""

    budgets: Mapping[str, Mapping[str, float]]
    planned: tuple[PlannedResult, ...]
    standings: tuple[Standing, ...]
    controls: tuple[ControlGain, ...]
    doses: tuple[Dose, ...]
    gaps: tuple[Gap, ...]
    nodes: tuple[NodeShare, ...]
    evaluations: int
    seconds: float


def prove(
    evidence: Evidence,
    raw: Evidence,
    pools: Mapping[str, Collection[str]],
    hiding: Collection[str],
    protocol: Protocol,
    folder: Path,
    *,
    processes: int = 2,
    told: Told = lambda text: None,
) -> Proof:
    """Holds all matches and draws the conclusions.

    Args:
        evidence: with costs in the primary unit.
        raw: the same with costs in raw tokens.
        pools: the models of each pool; "mixed" has all of them.
        hiding: the families whose questions do not tell how hard they are.
        protocol: the sizes.
        folder: where matches are kept that were held.
        processes: how many matches are held at once.
        told: is told of every match that has ended.
    """
    started = time.perf_counter()
    plan = _Plan(evidence, raw, pools, hiding, protocol)
    held = _held(plan, folder, processes, told)
    main = held["mixed", evidence.unit]
    controls = {pool: held[pool, evidence.unit] for pool in _NOTHING_TO_GAIN}
    standings = [
        standing_of(outcomes, plan.budgets[key], *key) for key, outcomes in held.items() if key in plan.standing
    ]
    doses = [dose for rival in _NEAREST[:-1] for key in plan.doses for dose in dose_of(held[key], *key, rival)]
    return Proof(
        budgets={unit: plan.budgets["mixed", unit] for unit in (evidence.unit, raw.unit)},
        planned=planned_results({"mixed": main, **controls}, protocol),
        standings=tuple(standings),
        controls=tuple(gain for pool, outcomes in controls.items() for gain in control_gains(outcomes, pool)),
        doses=tuple(doses),
        gaps=tuple(_gaps(held["replicated", evidence.unit], evidence.replicated, plan, protocol)),
        nodes=tuple(node_shares(main, evidence.test.arms)),
        evaluations=sum(len(outcome.showings) for outcomes in held.values() for outcome in outcomes),
        seconds=time.perf_counter() - started,
    )


def of_models(table: Table, models: Collection[str]) -> Table:
    """The arms that call no other models."""
    return table.with_arms([n for n, arm in enumerate(table.arms) if {model for _, model in arm.models} <= set(models)])


def of_families(table: Table, families: Collection[str]) -> Table:
    """The questions of some families."""
    return table.take(np.flatnonzero([question.family in families for question in table.questions]))


def hidden_texts(table: Table) -> Table:
    """The same questions, of which a policy is told the family only."""
    return replace(table, questions=tuple(replace(q, text=f"a question of {q.family}") for q in table.questions))


class _Plan:
    """Which matches are to be held."""

    def __init__(
        self,
        evidence: Evidence,
        raw: Evidence,
        pools: Mapping[str, Collection[str]],
        hiding: Collection[str],
        protocol: Protocol,
    ) -> None:
        self._protocol = protocol
        self.budgets: dict[Key, dict[str, float]] = {}
        self.matches: dict[Key, list[Match]] = {}
        everyone, unit = tuple(contestant.label for contestant in CONTESTANTS), evidence.unit
        seeds, few = protocol.search_seeds, protocol.figure_seeds
        self._add(("mixed", unit), evidence.dev, evidence.test, everyone, seeds, orders=protocol.orders, exact=True)
        for name, made in _NOTHING_TO_GAIN.items():
            self._add((name, unit), made(evidence.pair_dev), made(evidence.pair_test), _CONTROL, protocol.control_seeds)
        self._add(("mixed", raw.unit), raw.dev, raw.test, _MAIN, few)
        kept = [evidence.dev.arm(arm.name) for arm in evidence.replicated.arms]
        self._add(("replicated", unit), evidence.dev.with_arms(kept), evidence.replicated, ("U", "J"), few)
        self.standing = {("mixed", unit), ("mixed", raw.unit), ("clones", unit), ("dominated", unit)}
        self.doses: list[Key] = []
        told = {question.family for question in evidence.dev.questions} - set(hiding)
        for pool, models in pools.items():
            dev, test = of_models(evidence.dev, models), of_models(evidence.test, models)
            kinds = {
                "text tells": (of_families(dev, told), of_families(test, told)),
                "text hides": (of_families(dev, hiding), of_families(test, hiding)),
                "family only": (hidden_texts(dev), hidden_texts(test)),
            }
            for kind, (learned, asked) in kinds.items():
                self._add((pool, kind), learned, asked, _NEAREST, few)
                self.doses.append((pool, kind))

    def _add(
        self,
        key: Key,
        dev: Table,
        test: Table,
        labels: tuple[str, ...],
        seeds: int,
        *,
        orders: int = 0,
        exact: bool = False,
    ) -> None:
        """Matches that differ in the search seed; the caps are those of the first seed's validation part."""
        protocol = self._protocol
        share = protocol.fit / (protocol.fit + protocol.validation)
        budgets = budgets_of(dev.take(halves(dev, 0, share)[1]), protocol.caps)
        self.budgets[key] = budgets
        self.matches[key] = [
            Match(
                "/".join(key), dev, test, budgets, labels, seed, protocol, protocol.heads, orders, exact and seed == 0
            )
            for seed in range(seeds)
        ]


def _held(plan: _Plan, folder: Path, processes: int, told: Told) -> dict[Key, list[ContestOutcome]]:
    """Holds all matches. The score head is chosen once for each pool, by its first match, and kept by the others."""
    held: dict[Key, list[ContestOutcome]] = {}
    total = sum(len(matches) for matches in plan.matches.values())

    def run(matches: Sequence[tuple[Key, Match]]) -> None:
        outcomes = in_processes(partial(hold_once, folder), [match for _, match in matches], processes)
        for (key, _), outcome in zip(matches, outcomes, strict=True):
            held.setdefault(key, []).append(outcome)
            done = sum(map(len, held.values()))
            told(f"{done} of {total} matches: {outcome.name}, search seed {outcome.seed}, {outcome.seconds:.0f} s")

    run([(key, matches[0]) for key, matches in plan.matches.items()])
    run(
        [
            (key, replace(match, heads=(held[key][0].head,)))
            for key, matches in plan.matches.items()
            for match in matches[1:]
        ]
    )
    return held


def _gaps(outcomes: Sequence[ContestOutcome], table: Table, plan: _Plan, protocol: Protocol) -> list[Gap]:
    """J and the oracle above the best static plan, on the same questions and replicates."""
    resample = Resample(len(table.questions), protocol.draws, 0)
    found = []
    for cap, budget in plan.budgets["replicated", table.unit].items():
        means: dict[str, Any] = {
            label: Statistic.average(
                [s.score for outcome in outcomes for s in outcome.showings if s.label == label and s.cap == cap]
            )
            for label in ("U", "J")
        }
        scores, costs = oracle(table, budget)
        (best,) = Statistic.means(scores[:, None], resample)
        won, possible = means["J"] - means["U"], best - means["U"]
        found.append(
            Gap(
                cap=cap,
                static=means["U"].estimate,
                joint=means["J"].estimate,
                oracle=best.estimate,
                oracle_cost=float(costs.mean()),
                joint_above_static=ranged(won),
                oracle_above_static=ranged(possible),
                closed=won.estimate / possible.estimate if possible.estimate > protocol.gap_floor else None,
            )
        )
    return found
