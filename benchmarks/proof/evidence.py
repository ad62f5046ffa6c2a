"""The tables of the proof, measured where they are not kept yet."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apportion import Plan, Pool, Space, Task, UsageError
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.table import Arm, Table, question_of
from apportion.records.rows import Unit

from .measure import ARRAYS, Block, Grid, OpenStore, blocks_of, measure, passages_for, read_grid
from .pool import PAIRED, candidate_plans, draws_at_random, pools_of, proof_graph
from .portfolios import portfolio_of
from .protocol import Protocol
from .prove import Evidence
from .questions import World, draw_worlds
from .squads import halves

__all__ = ["DEV_SEED", "TEST_SEED", "Gathered", "gather", "study_key"]

DEV_SEED = 20_000
"""Of the generators of fit and validation questions."""
TEST_SEED = 40_000
"""Of the generators of test questions; no run before this protocol has read them."""


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What was measured."""

    evidence: Evidence
    """Costs in weighted tokens."""
    raw: Evidence
    """Costs in raw tokens."""
    pools: Mapping[str, tuple[str, ...]]
    seconds: Mapping[str, float]
    """What each step took this time."""


def study_key(pool: Pool, protocol: Protocol, dev_seed: int, test_seed: int) -> str:
    """The identity of a proof: its models, sizes and seeds."""
    content = {
        "models": [(card.name, card.fingerprint, card.weight) for card in pool.cards],
        "questions": [protocol.questions, protocol.fit, protocol.validation, protocol.replicated, protocol.replicates],
        "seeds": [dev_seed, test_seed],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def gather(
    pool: Pool,
    protocol: Protocol,
    folder: Path,
    open_store: OpenStore,
    *,
    dev_seed: int = DEV_SEED,
    test_seed: int = TEST_SEED,
    processes: int = 2,
    told: Callable[[str], None] = lambda text: None,
) -> Gathered:
    """Measures what is missing, and reads all of it.

    Args:
        pool: the embedded models.
        protocol: the sizes.
        folder: where outcomes are kept.
        open_store: see `measure`.
        dev_seed: of fit and validation questions.
        test_seed: of test questions; a fresh one makes a fresh test part.
        processes: how many blocks are measured at once.
        told: is told what is done.

    Raises:
        UsageError: the model of the controls or a second one is not at hand, or the seeds are equal.
    """
    if dev_seed == test_seed:
        raise UsageError("the test part needs a generator seed of its own")
    pools = pools_of(pool.names)
    if PAIRED not in pool.names or "mixed" not in pools:
        raise UsageError(f"the proof needs {PAIRED} and at least one other embedded model; there are {pool.names}")
    survey = _Survey(pool, protocol, folder, open_store, dev_seed, test_seed, processes, told)
    return Gathered(survey.evidence("weighted"), survey.evidence("tokens"), pools, survey.seconds)


class _Survey:
    """Measures in three steps: all plans once, then a portfolio again and again, then one model's plans twice."""

    def __init__(
        self,
        pool: Pool,
        protocol: Protocol,
        folder: Path,
        open_store: OpenStore,
        dev_seed: int,
        test_seed: int,
        processes: int,
        told: Callable[[str], None],
    ) -> None:
        self._pool, self._protocol, self._folder = pool, protocol, folder
        self._open_store, self._processes, self._told = open_store, processes, told
        self.seconds: dict[str, float] = {}
        self._dev = draw_worlds(protocol.fit + protocol.validation, dev_seed)
        known = {task.task_id for world in self._dev for task in world.tasks}
        self._test = draw_worlds(protocol.questions, test_seed, without=known)
        space = Space(proof_graph(passages_for(self._dev[0], folder)), pool)
        self._plans = candidate_plans(space, pool.names)
        self._arms = tuple(arm_of(plan, space) for plan in self._plans)
        self._random = [number for number, plan in enumerate(self._plans) if draws_at_random(plan, space)]
        everything = range(len(self._plans))
        self._first = self._measured(
            "every plan once",
            {
                "dev": self._blocks(self._dev, everything, 0),
                "test": self._blocks(self._test, everything, 0),
            },
        )
        self._repeated = self._portfolio()
        again = [number for number in self._repeated if number in self._random]
        first = self._test[0]
        part = [World(first.seed, first.tasks[: protocol.replicated])]
        self._replicates = self._measured(
            "a portfolio again", {str(seed): self._blocks(part, again, seed) for seed in range(1, protocol.replicates)}
        )
        self._again = again
        self._paired = [n for n, arm in enumerate(self._arms) if {model for _, model in arm.models} == {PAIRED}]
        self._paired_random = [number for number in self._paired if number in self._random]
        self._pairs = self._measured(
            "one model twice",
            {
                "dev": self._blocks(self._dev, self._paired_random, 1),
                "test": self._blocks(self._test, self._paired_random, 1),
            },
        )

    def evidence(self, unit: Unit) -> Evidence:
        """All tables, with costs in a unit."""
        dev, test = _tasks(self._dev), _tasks(self._test)
        part = test[: self._protocol.replicated]
        first = _head(self._first["test"], len(part))
        replicates = [first] + [_over(first, grid, self._again) for grid in self._replicates.values()]
        pair_dev, pair_test = (
            [self._first[name], _over(self._first[name], self._pairs[name], self._paired_random)]
            for name in ("dev", "test")
        )
        return Evidence(
            dev=self._table(dev, [self._first["dev"]], range(len(self._plans)), unit),
            test=self._table(test, [self._first["test"]], range(len(self._plans)), unit),
            replicated=self._table(part, replicates, self._repeated, unit),
            pair_dev=self._table(dev, pair_dev, self._paired, unit),
            pair_test=self._table(test, pair_test, self._paired, unit),
        )

    def _portfolio(self) -> list[int]:
        """The joint policy's portfolio of the first search seed, and the cheapest arm."""
        dev = self._table(_tasks(self._dev), [self._first["dev"]], range(len(self._plans)), "weighted")
        share = self._protocol.fit / (self._protocol.fit + self._protocol.validation)
        fit = dev.take(halves(dev, 0, share)[0])
        return [entry.arm for entry in portfolio_of("free", fit, self._protocol.portfolio)]

    def _blocks(self, worlds: Sequence[World], plans: Sequence[int], seed: int) -> list[Block]:
        chosen: list[Plan] = [self._plans[number] for number in plans]
        return [
            block
            for world in worlds
            for block in blocks_of(world, world.tasks, chosen, self._pool, self._folder, seed=seed)
        ]

    def _measured(self, what: str, blocks: Mapping[str, Sequence[Block]]) -> dict[str, Grid]:
        everything, started = [block for part in blocks.values() for block in part], time.perf_counter()
        measure(
            everything,
            self._open_store,
            processes=self._processes,
            told=lambda text: self._told(f"{what}: {text}"),
        )
        self.seconds[what] = time.perf_counter() - started
        self._told(f"{what}: {self.seconds[what]:.0f} s")
        return {name: read_grid(part) for name, part in blocks.items()}

    def _table(self, tasks: Sequence[Task], grids: Sequence[Grid], arms: Sequence[int], unit: Unit) -> Table:
        chosen = np.asarray(arms, np.intp)
        shown: tuple[Arm, ...] = tuple(self._arms[number] for number in chosen)
        costs = [grid.weighted if unit == "weighted" else grid.tokens for grid in grids]
        return Table(
            tuple(question_of(task) for task in tasks),
            shown,
            np.stack([grid.scores[:, chosen] for grid in grids], axis=2),
            np.stack([each[:, chosen] for each in costs], axis=2),
            unit,
            confidences=np.stack([grid.sure[:, chosen] for grid in grids], axis=2),
            answers=np.stack([grid.answers[:, chosen] for grid in grids], axis=2),
            abstained=np.stack([grid.abstained[:, chosen] for grid in grids], axis=2),
        )


def _tasks(worlds: Sequence[World]) -> list[Task]:
    return [task for world in worlds for task in world.tasks]


def _head(grid: Grid, count: int) -> Grid:
    """The first questions."""
    return Grid(**{name: getattr(grid, name)[:count] for name in ARRAYS})


def _over(first: Grid, again: Grid, plans: Sequence[int]) -> Grid:
    """A further replicate: what was drawn anew, and for plans that draw nothing what they gave the first time."""

    def laid(name: str) -> Any:
        found = getattr(first, name).copy()
        found[:, list(plans)] = getattr(again, name)
        return found

    return Grid(**{name: laid(name) for name in ARRAYS})
