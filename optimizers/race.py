"""One race in progress, as arrays over the plans of its field."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graphs.plan import Plan
from .base import Brief, Proposal
from .belief import believe, normal
from .bootstrap import resample_weights
from .capability import Capabilities
from .field import Field, covering
from .measurement import Measurement, Outcome
from .outlay import learn_prices

__all__ = ["Race"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Round = list[Proposal]

_FEWEST_TASKS = 6
_STEP = 2
"""A challenger is measured on so many times the tasks it has met, up to those of the leader; and so is the leader."""
_BATCH_SHARE = 0.03
"""The part of the spend that challengers of one round may pay."""
_CHALLENGERS = 16
"""How many challengers of one round have calls to pay; those that have none come on top."""
_FREE = 48
_ASKED_ABOUT = 600
"""Of how many plans the belief is asked in one round."""
_COMPLETE_AT = 0.8
"""The part of the spend by which the leader is to have met all tasks."""
_ROUNDS = 120
_FLOOR = 0.0005
"""The race is over when no plan is expected to gain as much, in units of score."""
_WORTH_A_TASK = 0.0005
"""Part of the spend that is added to what a challenger would pay, so that free ones are ranked too."""
_COST_SPREAD = 0.3
"""Relative deviation of a plan's cost on one task, and of a predicted mean cost."""
_POSSIBLE = 0.1
"""A plan that the cap allows with a smaller probability is not asked about."""
_BELIEVED = 300
"""How many measured plans the belief rests on, those on most tasks first."""
_DRAWS = 400
_BEATEN = 0.995
"""The share of bootstrap draws in which another must be better to drop a plan for good; near 1, because the best of
many on few tasks is partly lucky."""
_SURE = 0.975
"""The share of bootstrap draws in which a mean cost must be within the cap to be so for sure."""
_ENOUGH = 12
"""Tasks that a challenger has met at least before it can be dropped."""
_SLOPES = (0.25, 1.0, 4.0)
"""Prices of a token, relative to the slope from the cheapest plan to the best: the frontier, not one point of it."""


@dataclass(slots=True)
class _Aim:
    """What one leader is for: the best score less a price times cost, among plans that the cap allows."""

    price: float
    leader: int


class Race:
    """A race in progress. It keeps what it was told, so that it goes on where it stopped."""

    def __init__(self, brief: Brief, until: float | None) -> None:
        self._brief = brief
        self._until = until
        self._generator = random.Random(brief.seed)
        self._draws = np.random.default_rng(brief.seed)
        self._first_tasks = max(1, min(brief.tasks, _FEWEST_TASKS))
        self._field = Field(brief.space, self._generator)
        self._told: dict[str, tuple[Outcome, ...]] = {}
        self._seen: Ints = np.zeros(0, np.intp)
        self._scores: Floats = np.zeros((0, brief.tasks))
        self._burdens: Floats = np.zeros((0, brief.tasks))
        self._charged: Floats = np.zeros((0, brief.tasks))
        self._reach: Ints = np.zeros((0, 0), np.intp)
        self._out: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._prices: Floats = np.zeros(0)
        self._costs: Floats = np.zeros(0)
        self._advised = 0
        self._fit_field()
        self._rounds = self._walk()
        self._pending: Round = next(self._rounds, [])

    def agrees(self, measured: Mapping[str, Measurement]) -> bool:
        """Whether what was measured contains all that the race has been told."""
        return all(
            name in measured and measured[name].outcomes[: len(outcomes)] == outcomes
            for name, outcomes in self._told.items()
        )

    def go_on(self, measured: Mapping[str, Measurement]) -> Round:
        """Walks on as far as the measurements reach; what is missing."""
        while self._pending:
            missing = [
                p for p in self._pending if p.plan.hash not in measured or len(measured[p.plan.hash].outcomes) < p.tasks
            ]
            if missing:
                return missing
            for proposal in self._pending:
                self._note(proposal, measured[proposal.plan.hash])
            self._pending = next(self._rounds, [])
        return []

    def _note(self, proposal: Proposal, measurement: Measurement) -> None:
        row, tasks = self._field.number[proposal.plan.hash], proposal.tasks
        known = measurement.first(tasks)
        self._told[proposal.plan.hash] = known.outcomes
        self._scores[row, :tasks], self._charged[row, :tasks] = known.scores, known.costs
        self._burdens[row, :tasks] = known.burdens
        self._seen[row] = tasks
        self._reaches(self._reach, row, tasks)

    def _fit_field(self) -> None:
        """Makes room for the plans and items that the field has now."""
        rows, items = len(self._field.plans), len(self._field.traits)
        draws = max(int(self._field.draws.max(initial=1)), self._reach.shape[1])
        more = rows - len(self._seen)
        self._seen = np.pad(self._seen, (0, more))
        self._out = np.pad(self._out, (0, more))
        wider = ((0, more), (0, 0))
        self._scores, self._burdens = np.pad(self._scores, wider), np.pad(self._burdens, wider)
        self._charged = np.pad(self._charged, wider)
        old = self._reach.shape
        self._reach = np.pad(self._reach, ((0, items - old[0]), (0, draws - old[1])))

    def _walk(self) -> Iterator[Round]:
        brief = self._brief
        first = covering(brief.space, brief.first_plans, self._generator)
        self._field.add(first)
        self._fit_field()
        yield [Proposal(plan, self._first_tasks) for plan in first]
        aims = [_Aim(0.0, int(self._field.numbers(first)[0]))]
        spend = self._spend()
        for turn in range(_ROUNDS):
            self._learn()
            if self._until is not None and self._paid() >= self._until * spend:
                return
            for aim in aims:
                self._crown(aim)
            if len(aims) == 1 and self._seen[aims[0].leader] == brief.tasks:
                aims += [_Aim(price, aims[0].leader) for price in self._slopes()]
                for aim in aims:
                    self._crown(aim)
            leaders = [aim.leader for aim in aims]
            self._drop(leaders)
            self._let_in(leaders)
            turns = aims[turn % len(aims) :] + aims[: turn % len(aims)]
            proposals = next((found for aim in turns if (found := self._round(aim, spend))), None)
            if proposals is None:
                return
            yield proposals

    def _spend(self) -> float:
        """What the search may pay; where nobody said, what so many plans would pay for the suggested beginning."""
        brief = self._brief
        if brief.spend is not None:
            return brief.spend
        rows = np.flatnonzero(self._seen)
        usual = float(self._charged[rows].sum() / self._seen[rows].sum())
        return 3 * brief.first_plans * min(brief.first_tasks, brief.tasks) * usual

    def _learn(self) -> None:
        """Learns what calls cost, and with it what every plan costs a task."""
        field, rows = self._field, np.flatnonzero(self._seen)
        charged = self._charged[rows].sum(axis=1) / self._seen[rows]
        self._prices = learn_prices(field.items[rows], field.draws[rows], charged, field.traits)
        self._costs = (self._prices[field.items] * field.draws).sum(axis=1)
        self._costs[rows] = self._burdens[rows].sum(axis=1) / self._seen[rows]

    def _paid(self) -> float:
        """What the race has paid so far, as far as can be told: calls of different plans may still be equal."""
        return float(self._prices @ self._reach.sum(axis=1))

    def _unpaid(self, rows: Ints, tasks: Ints, reach: Ints) -> Floats:
        """What it would pay to measure plans on their first tasks."""
        items, draws = self._field.items[rows], self._field.draws[rows]
        missing = np.maximum(tasks[:, None, None] - reach[items], 0)
        wanted = np.arange(reach.shape[1]) < draws[:, :, None]
        return np.asarray(((missing * wanted).sum(axis=2) * self._prices[items]).sum(axis=1))

    def _within(self) -> Floats:
        """For each plan the probability that its mean cost is within the cap."""
        met = np.maximum(self._seen, 1)
        spread = np.where(self._seen > 0, np.sqrt((1 - met / self._brief.tasks) / met), 1.0)
        return normal((self._brief.affordable - self._costs) / (self._costs * _COST_SPREAD * spread + 1e-9))

    def _utility(self, rows: Ints, tasks: int, price: float) -> Floats:
        return self._scores[rows, :tasks] - price * self._burdens[rows, :tasks]

    def _crown(self, aim: _Aim) -> None:
        """Lets the best of those that have met as many tasks as the leader take over."""
        tasks, affordable = int(self._seen[aim.leader]), self._brief.affordable
        peers = np.flatnonzero((self._seen >= tasks) & ~self._out)
        peers = np.union1d(peers, [aim.leader])
        costs = self._burdens[peers, :tasks].mean(axis=1)
        worth = self._utility(peers, tasks, aim.price).mean(axis=1)
        weights = resample_weights(tasks, _DRAWS, self._brief.seed)
        sure = (weights @ self._burdens[peers, :tasks].T <= affordable).mean(axis=0) >= _SURE
        above = costs > affordable
        rank = np.where(above, 2, np.where(sure, 0, 1))
        order = np.lexsort((peers, costs, np.where(above, costs, -np.round(worth, 9)), rank))
        aim.leader = int(peers[order[0]])

    def _slopes(self) -> list[float]:
        """Prices of a token along the frontier of what was measured."""
        rows = np.flatnonzero(self._seen)
        scores = self._scores[rows].sum(axis=1) / self._seen[rows]
        costs = self._costs[rows]
        cheapest, best = np.lexsort((-scores, costs))[0], np.lexsort((costs, -scores))[0]
        rise, run = scores[best] - scores[cheapest], costs[best] - costs[cheapest]
        slope = float(rise / run) if rise > 0 and run > 0 else 0.1 / max(float(costs[best]), 1.0)
        return [slope * factor for factor in _SLOPES]

    def _drop(self, leaders: Sequence[int]) -> None:
        """Drops for good what others on the same tasks beat at every price in nearly all bootstrap draws."""
        prices = [0.0, *self._slopes()]
        for tasks in sorted(set(self._seen[self._seen >= _ENOUGH].tolist())):
            peers = np.flatnonzero((self._seen >= tasks) & ~self._out)
            allowed = peers[self._burdens[peers, :tasks].mean(axis=1) <= self._brief.affordable]
            doubtful = peers[(self._seen[peers] == tasks) & ~np.isin(peers, leaders)]
            if not len(allowed) or not len(doubtful):
                continue
            weights = resample_weights(tasks, _DRAWS, self._brief.seed)
            beaten = np.ones(len(doubtful), np.bool_)
            for price in prices:
                best = allowed[self._utility(allowed, tasks, price).mean(axis=1).argmax()]
                ahead = self._utility(np.array([best]), tasks, price) - self._utility(doubtful, tasks, price)
                beaten &= (weights @ ahead.T > 0).mean(axis=0) >= _BEATEN
            self._out[doubtful[beaten]] = True

    def _let_in(self, leaders: Sequence[int]) -> None:
        """Keeps out budgets that gain nothing; in a space too large to list, lets in what is near the leaders."""
        field, level = self._field, int(self._seen[leaders[0]])
        if not field.complete:
            field.add(field.near([field.plans[row] for row in leaders], self._known_plans(), self._generator))
            self._fit_field()
            self._learn()
        if level > self._advised and level >= _ENOUGH:
            self._advised = level
            measured = [Measurement(field.plans[field.number[name]], told) for name, told in self._told.items()]
            cards = Capabilities(self._brief.space, measured, self._brief.families, seed=self._brief.seed)
            for row in np.flatnonzero(self._seen == 0):
                self._out[row] = cards.wasteful(field.plans[row])

    def _known_plans(self) -> list[Plan]:
        rows = np.flatnonzero((self._seen > 0) & ~self._out)
        means = self._scores[rows].sum(axis=1) / self._seen[rows]
        return [self._field.plans[row] for row in rows[np.lexsort((rows, -means, -self._seen[rows]))]]

    def _round(self, aim: _Aim, spend: float) -> Round:
        """The next proposals for an aim; none where nothing is to gain."""
        brief, level = self._brief, int(self._seen[aim.leader])
        rows = self._askable(level)
        within = self._within()[rows]
        gains = self._gains(aim, rows) * within
        tasks = np.where(self._seen[rows] == 0, self._first_tasks, np.minimum(level, self._seen[rows] * _STEP))
        further = min(brief.tasks, level * _STEP)
        hopeful = bool((gains > _FLOOR).any())
        if level < brief.tasks:
            share = min(1.0, self._paid() / (_COMPLETE_AT * spend))
            due = self._first_tasks * (brief.tasks / self._first_tasks) ** share
            if due >= further or not hopeful:
                return [Proposal(self._field.plans[aim.leader], further)]
        if not hopeful:
            return []
        return self._challengers(rows, gains, tasks, spend)

    def _askable(self, level: int) -> Ints:
        """Plans that may challenge a leader of that level: all that were measured, and some of the others."""
        open_ = np.flatnonzero((self._seen < level) & ~self._out)
        open_ = open_[self._within()[open_] > _POSSIBLE]
        known, others = open_[self._seen[open_] > 0], open_[self._seen[open_] == 0]
        room = max(_ASKED_ABOUT - len(known), _ASKED_ABOUT // 4)
        if len(others) > room:
            others = self._draws.choice(others, room, replace=False)
        return np.concatenate([known, others])

    def _gains(self, aim: _Aim, rows: Ints) -> Floats:
        """The expected improvement over the leader, in units of score."""
        if not len(rows):
            return np.zeros(0)
        level = int(self._seen[aim.leader])
        known = np.flatnonzero(self._seen)
        means = self._scores[known].sum(axis=1) / self._seen[known]
        known = known[np.lexsort((known, -means, -self._seen[known]))][:_BELIEVED]
        known = np.union1d(known, [aim.leader])
        seen = np.minimum(self._seen[known], level)
        leading = self._utility(np.array([aim.leader]), level, aim.price)
        met = np.arange(level) < seen[:, None]
        differences = (self._utility(known, level, aim.price) - leading) * met
        same = np.full(len(self._seen), -1, np.intp)
        same[known] = np.arange(len(known))
        belief = believe(
            self._field.features[known],
            differences,
            seen,
            int(same[aim.leader]),
            self._field.features[rows],
            same[rows],
            self._brief.tasks,
        )
        return belief.expected_improvement()

    def _challengers(self, rows: Ints, gains: Floats, tasks: Ints, spend: float) -> Round:
        """Those with most to gain for what they would pay; what others of the round pay counts as paid."""
        reach = self._reach.copy()
        hopeful = gains > _FLOOR
        rows, gains, tasks = rows[hopeful], gains[hopeful], tasks[hopeful]
        worth = gains / (self._unpaid(rows, tasks, reach) + _WORTH_A_TASK * spend)
        found: Round = []
        paid, paying, free = 0.0, 0, 0
        for place in np.argsort(-worth, kind="stable"):
            if paying >= _CHALLENGERS and free >= _FREE:
                break
            row, most = rows[place : place + 1], tasks[place : place + 1]
            price = float(self._unpaid(row, most, reach)[0])
            if price > 0 and paying and (paying >= _CHALLENGERS or paid + price > _BATCH_SHARE * spend):
                continue
            if price <= 0 and free >= _FREE:
                continue
            paid, paying, free = paid + price, paying + (price > 0), free + (price <= 0)
            found.append(Proposal(self._field.plans[row[0]], int(most[0])))
            self._reaches(reach, int(row[0]), int(most[0]))
        return found

    def _reaches(self, reach: Ints, row: int, tasks: int) -> None:
        """Notes what calls have been made once a plan has met so many tasks."""
        for item, draws in zip(self._field.items[row], self._field.draws[row], strict=True):
            np.maximum(reach[item, :draws], tasks, out=reach[item, :draws])
