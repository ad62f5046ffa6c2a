"""Successive halving over whole plans, with elimination by paired bootstrap."""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..graphs.plan import Plan
from .base import Brief, Proposal
from .bootstrap import resample_weights
from .measurement import Measurement, frontier

__all__ = ["SuccessiveHalving"]

_ETA = 3
"""From rung to rung the tasks are multiplied, and the plans divided, by this (Jamieson and Talwalkar 2016)."""
_DRAWS = 400
_LEVEL = 0.975
"""The share of bootstrap draws in which a plan must be beaten to be dropped before its rung is cut."""
_SLOPES = (0.0, 0.25, 1.0, 4.0)
"""Prices of a token, relative to the slope from the cheapest plan to the best: the frontier, not one point of it."""


class SuccessiveHalving:
    """Measures many plans on few tasks, drops the losers, and measures the rest on more.

    The first wave is the space's default, the plans that leave most of the graph out, and random plans. Later waves
    are neighbours of the survivors, and survivors with one or all of the further edges of others that did well, and
    the knobs these bring. Within a wave all plans meet the same tasks in the same order, so differences are paired. A
    plan is dropped when for every price of a token some other plan beats it in nearly all bootstrap draws, or when it
    costs more than a task may on average; then the rung is cut to a third, taking turns between the best plan that the
    cap allows and the best at each price.

    Args:
        brief: the plans, the tasks and what may be spent.
        waves: how often plans enter the race at most; it ends earlier when two bring nothing better.
    """

    def __init__(self, brief: Brief, *, waves: int = 8) -> None:
        self._space = brief.space
        self._affordable = brief.affordable
        self._first_plans = brief.first_plans
        self._waves = waves
        self._seed = brief.seed
        self._rungs = tuple(_rungs(brief.first_tasks, brief.tasks))

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        return self._replay(measured)[0]

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the frontier among the plans that were measured longest."""
        finished = [measured[plan.hash] for plan in self._replay(measured)[1] if plan.hash in measured]
        if not finished:
            return []
        longest = max(len(m.outcomes) for m in finished)
        last = [m for m in finished if len(m.outcomes) == longest]
        by_worth = sorted(last, key=self._worth)
        return list(dict.fromkeys(m.plan for m in [by_worth[0], *frontier(last), *by_worth]))

    def _replay(self, measured: Mapping[str, Measurement]) -> tuple[list[Proposal], list[Plan]]:
        """Walks through waves and rungs as far as the measurements reach: (what is missing, who is in the race)."""
        racing = self._first_wave()
        entered = dict.fromkeys(racing)
        outlived: dict[Plan, None] = {}
        before: tuple[list[Plan], list[Plan]] = ([], [])
        for wave in range(self._waves):
            for rung, tasks in enumerate(self._rungs):
                missing = [p for p in racing if p.hash not in measured or len(measured[p.hash].outcomes) < tasks]
                if missing:
                    return [Proposal(plan, tasks) for plan in missing], racing
                if rung + 1 < len(self._rungs):
                    racing = self._cut([measured[p.hash].first(tasks) for p in racing])
                    outlived |= dict.fromkeys(racing)
            if wave + 1 < self._waves:
                last = [measured[p.hash].first(self._rungs[-1]) for p in racing]
                best = list(dict.fromkeys(m.plan for m in [min(last, key=self._worth), *frontier(last)]))
                newcomers = self._newcomers(best, entered, outlived, wave)
                if not newcomers or best == before[0] == before[1]:
                    break
                before = (best, before[0])
                racing = best + newcomers
                entered |= dict.fromkeys(racing)
        return [], racing

    def _first_wave(self) -> list[Plan]:
        if self._space.size <= self._first_plans:
            return list(self._space)
        generator = random.Random(self._seed)
        wave = {self._space.default(): None}
        smallest = sorted(self._space.arrangements, key=lambda active: (len(active.names), active.optional))
        for active in smallest[: self._first_plans // 3]:
            wave[self._space.plan(edges=active.optional)] = None
        while len(wave) < self._first_plans:
            wave[self._space.sample(generator)] = None
        return list(wave)

    def _newcomers(self, best: list[Plan], entered: Container[Plan], outlived: Iterable[Plan], wave: int) -> list[Plan]:
        """Plans near the best that have not been in the race, in turns for each of them."""
        generator = random.Random(self._seed * 1_000_003 + wave)
        families = []
        for plan in best:
            near = list(self._space.neighbours(plan))
            generator.shuffle(near)
            # What an edge is worth shows when it is cut, or added: that comes before the knobs.
            near.sort(key=lambda other: (other.edges == plan.edges, len(other.edges)))
            joined = self._joined(plan, outlived)
            generator.shuffle(joined)
            joined.sort(key=lambda other: len(other.edges))
            families += [near, joined]
        new: dict[Plan, None] = {}
        for turn in range(max(map(len, families), default=0)):
            for plans in families:
                if turn < len(plans) and plans[turn] not in entered and len(new) < max(1, self._first_plans // 2):
                    new[plans[turn]] = None
        return list(new)

    def _joined(self, plan: Plan, others: Iterable[Plan]) -> list[Plan]:
        """The plan with one, or all, of the further edges of each of the others, and the knobs that these bring."""
        joined: dict[Plan, None] = {}
        for other in others:
            further = sorted(set(other.edges) - set(plan.edges))
            for added in [*([edge] for edge in further), further]:
                joined[self._space.plan({**other.values, **plan.values}, {*plan.edges, *added})] = None
        return list(joined)

    def _cut(self, racing: list[Measurement]) -> list[Plan]:
        affordable = [m for m in racing if not self._certainly_too_dear(m)]
        kept = affordable or [min(racing, key=lambda m: (m.cost, m.plan.hash))]
        prices = self._prices(kept)
        utility = np.stack([[m.scores - price * m.costs for m in kept] for price in prices])
        means = self._weights(kept) @ utility.transpose(0, 2, 1)
        beaten = _beaten_at_every_price(means)
        kept = [m for m, lost in zip(kept, beaten, strict=True) if not lost]
        return self._take_turns(kept, prices, max(4, -(-len(racing) // _ETA)))

    def _take_turns(self, kept: list[Measurement], prices: Sequence[float], room: int) -> list[Plan]:
        orders = [sorted(kept, key=self._worth)]
        orders += [sorted(kept, key=lambda m: (-(m.score - price * m.cost), m.plan.hash)) for price in prices]
        chosen: dict[str, Plan] = {}
        for place in range(len(kept)):
            for order in orders:
                if len(chosen) < room:
                    chosen.setdefault(order[place].plan.hash, order[place].plan)
        return list(chosen.values())

    def _prices(self, racing: list[Measurement]) -> tuple[float, ...]:
        cheapest = min(racing, key=lambda m: (m.cost, -m.score))
        best = max(racing, key=lambda m: (m.score, -m.cost))
        rise, run = best.score - cheapest.score, best.cost - cheapest.cost
        slope = rise / run if rise > 0 and run > 0 else 0.1 / max(best.cost, 1.0)
        return tuple(slope * factor for factor in _SLOPES)

    def _weights(self, racing: list[Measurement]) -> NDArray[np.float64]:
        return resample_weights(len(racing[0].outcomes), _DRAWS, self._seed)

    def _worth(self, measurement: Measurement) -> tuple[bool, float, float, str]:
        """What the study is for, as a sort key: the best score among the plans that the cap allows for sure."""
        return not self._surely_fits(measurement), -measurement.score, measurement.cost, measurement.plan.hash

    def _surely_fits(self, measurement: Measurement) -> bool:
        weights = resample_weights(len(measurement.outcomes), _DRAWS, self._seed)
        return bool(np.mean(weights @ measurement.burdens <= self._affordable) >= _LEVEL)

    def _certainly_too_dear(self, measurement: Measurement) -> bool:
        weights = resample_weights(len(measurement.outcomes), _DRAWS, self._seed)
        return bool(np.mean(weights @ measurement.burdens > self._affordable) >= _LEVEL)


def _rungs(first: int, most: int) -> Iterator[int]:
    tasks = min(first, most)
    while tasks < most:
        yield tasks
        tasks *= _ETA
    yield most


def _beaten_at_every_price(means: NDArray[np.float64]) -> NDArray[np.bool_]:
    """From resampled utilities of shape (prices, draws, plans): which plans lose to some other at every price."""
    wins = (means[:, :, :, None] > means[:, :, None, :]).mean(axis=1)
    return np.asarray((wins >= _LEVEL).any(axis=1).all(axis=0))
