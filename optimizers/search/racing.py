"""The race: a leader, and challengers that meet more tasks only while they may still beat it."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...graphs.plan import Plan
from ..arrays import Bools, Floats, Ints
from ..bootstrap import resample_weights
from .base import ProblemSpec, Proposal
from .candidates import Candidates, covering
from .capability import Capabilities, best_in_some_family
from .cost_model import learn_prices
from .gate_rates import GateRates
from .measurement import Measurement
from .paid_calls import PaidCalls
from .ranking import Ranking
from .resumable import Resumable, Rounds
from .score_model import ScoreModel, believe, normal

__all__ = ["Race", "Racing"]

Round = list[Proposal]

_FEWEST_TASKS = 6
_STEP = 1.5
"""A challenger is measured on so many times the tasks it has met, up to those of the leader; and so is the leader."""
_BATCH_SHARE = 0.03
"""The part of the spend that challengers of one round may pay."""
_CHALLENGERS = 16
"""How many challengers of one round have calls to pay; those that have none come on top."""
_FREE = 48
"""How many of one round have none."""
_ROUNDS = 120
_FLOOR = 0.0005
"""The race is over when no plan is expected to gain as much, in units of score."""
_WORTH_A_TASK = 0.0005
"""Part of the spend that is added to what a challenger would pay, so that free ones are ranked too."""
_COST_SPREAD = 0.3
"""Relative deviation of a plan's cost on one task, and of a predicted mean cost."""
_DRAWS = 400
_BEATEN = 0.995
"""The share of bootstrap draws in which another must be better to drop a plan for good; near 1, because the best of
many on few tasks is partly lucky."""
_ALLOWED = 0.9
"""A leader is within the cap with this probability, where there is such a plan."""
_ENOUGH = 12
"""Tasks that a challenger has met at least before it can be dropped."""
_SLOPES = (0.25, 1.0, 4.0)
"""Prices of a token, relative to the slope from the cheapest plan to the best: the frontier, not one point of it."""


@dataclass(slots=True)
class _Aim:
    """What one leader is for: the best score less a price times cost, among plans that the cap allows."""

    price: float
    leader: int


class Racing:
    """Finds the best plan that the cap allows for little of what measuring all plans would pay.

    It begins with few plans in which every knob's value occurs once, on few tasks. From then on there is a belief of
    what settings and edges do to the score, and a leader, the plan that is believed to be best. In each round the
    challengers are those with the largest expected improvement for what measuring them would pay, given that calls
    which other plans have made already are not paid again: recombinations of what was measured are free. A challenger
    meets half as many tasks again each time, up to those that the leader has met (intensification, Hutter et al. 2011).
    The leader meets more when most of what is to gain is in plans that have met as many. A challenger is dropped when
    at each of several prices of a token the best is better in nearly all paired bootstrap draws; more budget for a
    model is not proposed where its capability cards say that it gains nothing.

    When the leader has met all tasks, what is left goes in turns to the leaders at these prices: the frontier.

    Args:
        spec: the plans, the tasks and what may be spent.
        until: the part of the spend, as the race estimates it, at which to stop; None: when nothing more is to gain.
    """

    def __init__(self, spec: ProblemSpec, *, until: float | None = None) -> None:
        self._spec = spec
        self._standing = Ranking(spec.affordable, spec.seed)
        self._walk = Resumable(lambda: Race(spec, until).rounds())

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        return self._walk.go_on(measured)

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: the one believed to be best, then the frontiers, overall and by family.

        Plans that were measured on a quarter of the tasks of the longest count, on these tasks.
        """
        if not measured:
            return []
        longest = max(len(m.outcomes) for m in measured.values())
        some = max(1, longest // 4)
        known = [m.first(some) for m in measured.values() if len(m.outcomes) >= some]
        ordered = [
            *self._standing.finalists([m for m in measured.values() if len(m.outcomes) == longest])[:1],
            *self._standing.finalists(known),
            *best_in_some_family(known, self._spec.families),
        ]
        allowed = [m.plan for m in ordered if not self._standing.too_dear(m)]
        best = Race(self._spec).best(list(measured.values()))
        return list(dict.fromkeys([best, *allowed, *(m.plan for m in ordered)]))


class Race:
    """A race in progress, as arrays over the plans of its field."""

    def __init__(self, spec: ProblemSpec, until: float | None = None) -> None:
        self._spec = spec
        self._until = until
        self._generator = random.Random(spec.seed)
        self._first_tasks = max(1, min(spec.tasks, _FEWEST_TASKS))
        self._field = Candidates(spec.space, self._generator)
        self._told: dict[str, Measurement] = {}
        self._seen: Ints = np.zeros(0, np.intp)
        self._scores: Floats = np.zeros((0, spec.tasks))
        self._burdens: Floats = np.zeros((0, spec.tasks))
        self._charged: Floats = np.zeros((0, spec.tasks))
        self._rates = GateRates(spec.space, spec.families)
        self._shares: Floats = np.zeros((0, 0))
        self._calls = PaidCalls(gated=self._rates.gated)
        self._out: Bools = np.zeros(0, np.bool_)
        self._prices: Floats = np.zeros(0)
        self._costs: Floats = np.zeros(0)
        self._advised = 0
        kinds = sorted(set(spec.families))
        self._families: Ints = np.zeros(spec.tasks, np.intp)
        if kinds:
            self._families = np.array([kinds.index(name) for name in spec.families], np.intp)
        self._belief: ScoreModel
        self._fit_field()

    def rounds(self) -> Rounds:
        """The race from its beginning; see `Rounds`."""
        walk = self._walk()
        proposals = next(walk, None)
        while proposals:
            for answer in (yield proposals):
                self._note(answer)
            proposals = next(walk, None)

    def best(self, measured: Collection[Measurement]) -> Plan:
        """The plan that is believed to be best of those measured, among those that the cap allows."""
        self._field.add(measurement.plan for measurement in measured)
        self._fit_field()
        for measurement in measured:
            self._note(measurement)
        self._learn()
        self._believe()
        aim = _Aim(0.0, 0)
        self._crown(aim)
        return self._field.plans[aim.leader]

    def _note(self, measurement: Measurement) -> None:
        row, tasks = self._field.number[measurement.plan.hash], len(measurement.outcomes)
        self._rates.note(measurement.plan, measurement.outcomes[self._seen[row] :], int(self._seen[row]))
        self._told[measurement.plan.hash] = measurement
        self._scores[row, :tasks], self._charged[row, :tasks] = measurement.scores, measurement.costs
        self._burdens[row, :tasks] = measurement.burdens
        self._seen[row] = tasks
        self._met(self._calls, row, tasks)

    def _fit_field(self) -> None:
        """Makes room for the plans and items that the field has now."""
        rows = len(self._field.plans)
        self._calls.widen(len(self._field.traits), int(self._field.draws.max(initial=1)))
        self._shares = self._field.shares(self._rates)
        more = rows - len(self._seen)
        self._seen = np.pad(self._seen, (0, more))
        self._out = np.pad(self._out, (0, more))
        wider = ((0, more), (0, 0))
        self._scores, self._burdens = np.pad(self._scores, wider), np.pad(self._burdens, wider)
        self._charged = np.pad(self._charged, wider)

    def _walk(self) -> Iterator[Round]:
        spec = self._spec
        first = covering(spec.space, spec.first_plans, self._generator)
        self._field.add(first)
        self._fit_field()
        yield [Proposal(plan, self._first_tasks) for plan in first]
        aims = [_Aim(0.0, int(self._field.numbers(first)[0]))]
        spend = self._spend()
        for turn in range(_ROUNDS):
            self._learn()
            self._believe()
            if self._until is not None and self._calls.total(self._prices) >= self._until * spend:
                return
            for aim in aims:
                self._crown(aim)
            if len(aims) == 1 and self._seen[aims[0].leader] == spec.tasks:
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
        spec = self._spec
        if spec.spend is not None:
            return spec.spend
        rows = np.flatnonzero(self._seen)
        usual = float(self._charged[rows].sum() / self._seen[rows].sum())
        return 3 * spec.first_plans * min(spec.first_tasks, spec.tasks) * usual

    def _learn(self) -> None:
        """Learns what calls cost, and with it what every plan costs a task."""
        field, rows = self._field, np.flatnonzero(self._seen)
        charged = self._charged[rows].sum(axis=1) / self._seen[rows]
        if self._rates.gated:  # How often gates open is known better now, of calls that were made before too.
            self._shares = field.shares(self._rates)
            self._calls.clear()
            for row in rows.tolist():
                self._met(self._calls, row, int(self._seen[row]))
        expected = field.draws * self._shares
        self._prices = learn_prices(field.items[rows], expected[rows], charged, field.traits)
        self._costs = (self._prices[field.items] * expected).sum(axis=1)
        self._costs[rows] = self._burdens[rows].sum(axis=1) / self._seen[rows]

    def _believe(self) -> None:
        """Learns what plans score."""
        self._belief = believe(self._field.features, self._scores, self._seen, self._families)

    def _unpaid(self, rows: Ints, tasks: Ints, calls: PaidCalls) -> Floats:
        """What it would pay to measure plans on their first tasks."""
        field = self._field
        return calls.unpaid(field.items[rows], field.draws[rows], self._shares[rows], tasks, self._prices)

    def _within(self) -> Floats:
        """For each plan the probability that its mean cost is within the cap."""
        met = np.maximum(self._seen, 1)
        spread = np.where(self._seen > 0, np.sqrt((1 - met / self._spec.tasks) / met), 1.0)
        return normal((self._spec.affordable - self._costs) / (self._costs * _COST_SPREAD * spread + 1e-9))

    def _utility(self, rows: Ints, tasks: int, price: float) -> Floats:
        return self._scores[rows, :tasks] - price * self._burdens[rows, :tasks]

    def _crown(self, aim: _Aim) -> None:
        """Lets the plan take over that is believed to be best, among those that were measured and the cap allows."""
        rows = np.flatnonzero((self._seen > 0) & ~self._out)
        worth = self._belief.means[rows] - aim.price * self._costs[rows]
        within = self._within()[rows]
        rank = np.where(within >= _ALLOWED, 0, np.where(within >= 0.5, 1, 2))
        order = np.lexsort((rows, self._costs[rows], np.where(rank == 2, self._costs[rows], -np.round(worth, 9)), rank))
        aim.leader = int(rows[order[0]])

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
            allowed = peers[self._burdens[peers, :tasks].mean(axis=1) <= self._spec.affordable]
            doubtful = peers[(self._seen[peers] == tasks) & ~np.isin(peers, leaders)]
            if not len(allowed) or not len(doubtful):
                continue
            weights = resample_weights(tasks, _DRAWS, self._spec.seed)
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
            self._believe()
        if level > self._advised and level >= _ENOUGH:
            self._advised = level
            cards = Capabilities(self._spec.space, self._told.values(), self._spec.families, seed=self._spec.seed)
            for row in np.flatnonzero(self._seen == 0):
                self._out[row] = cards.wasteful(field.plans[row])

    def _known_plans(self) -> list[Plan]:
        rows = np.flatnonzero((self._seen > 0) & ~self._out)
        means = self._scores[rows].sum(axis=1) / self._seen[rows]
        return [self._field.plans[row] for row in rows[np.lexsort((rows, -means, -self._seen[rows]))]]

    def _round(self, aim: _Aim, spend: float) -> Round:
        """The next proposals for an aim; none where nothing is to gain."""
        spec, level = self._spec, int(self._seen[aim.leader])
        dearer = aim.price * (self._costs - self._costs[aim.leader])
        gains = self._belief.expected_improvement(aim.leader, dearer) * self._within()
        gains[self._out] = 0.0
        gains[aim.leader] = 0.0
        below, level_with = gains * (self._seen < level), gains * (self._seen >= level)
        found = self._challengers(below, level, spend)
        if level < spec.tasks and (not found or level_with.sum() > below.sum()):
            found.append(Proposal(self._field.plans[aim.leader], self._next(level)))
        return found

    def _next(self, tasks: int) -> int:
        return min(self._spec.tasks, math.ceil(tasks * _STEP))

    def _challengers(self, gains: Floats, level: int, spend: float) -> Round:
        """Those with most to gain for what they would pay; what others of the round pay counts as paid."""
        calls = self._calls.copy()
        rows = np.flatnonzero(gains > _FLOOR)
        gains, tasks = gains[rows], self._targets(rows, level)
        worth = gains / (self._unpaid(rows, tasks, calls) + _WORTH_A_TASK * spend)
        found: Round = []
        paid, paying, free = 0.0, 0, 0
        for place in np.argsort(-worth, kind="stable"):
            if paying >= _CHALLENGERS and free >= _FREE:
                break
            row, most = rows[place : place + 1], tasks[place : place + 1]
            price = float(self._unpaid(row, most, calls)[0])
            many = paying and (paying >= _CHALLENGERS or paid + price > _BATCH_SHARE * spend)
            if many if price > 0 else free >= _FREE:
                continue
            paid, paying, free = paid + price, paying + (price > 0), free + (price <= 0)
            found.append(Proposal(self._field.plans[row[0]], int(most[0])))
            self._met(calls, int(row[0]), int(most[0]))
        return found

    def _targets(self, rows: Ints, level: int) -> Ints:
        """On how many tasks plans are to be measured: a step more, or as many as the calls of others allow for free."""
        seen = self._seen[rows]
        steps = np.maximum(np.ceil(seen * _STEP).astype(np.intp), self._first_tasks)
        return np.asarray(np.minimum(np.maximum(steps, self._free(rows)), level))

    def _free(self, rows: Ints) -> Ints:
        """On how many tasks plans could be measured without paying."""
        field = self._field
        return self._calls.free(field.items[rows], field.draws[rows], self._shares[rows], self._spec.tasks)

    def _met(self, calls: PaidCalls, row: int, tasks: int) -> None:
        """Notes what calls have been made once a plan has met so many tasks."""
        calls.note(self._field.items[row], self._field.draws[row], self._shares[row], tasks)
